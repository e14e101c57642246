//! DECIDES who proves themselves first on an outbound call (OB-1). Pure.
