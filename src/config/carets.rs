//! Problems with carets under the offending text, for people at a terminal.

use miette::LabeledSpan;
use miette::MietteDiagnostic;
use miette::NamedSource;
use miette::Report;

use crate::config::Problem;
use crate::config::Problems;

impl Problems {
    /// One report per problem; print each with `{:?}`.
    pub fn reports(&self) -> Vec<Report> {
        self.iter().map(|problem| self.report(problem)).collect()
    }

    fn report(&self, problem: &Problem) -> Report {
        let separator = if problem.key.is_empty() { "" } else { ": " };
        let message = format!("{}{separator}{}", problem.key, problem.message);
        let label = LabeledSpan::new_with_span(Some("here".to_owned()), problem.span.clone());
        let mut diagnostic = MietteDiagnostic::new(message);
        if !problem.help.is_empty() {
            diagnostic = diagnostic.with_help(problem.help.clone());
        }
        let text = self.text_of(problem);
        if text.is_empty() {
            return Report::new(diagnostic);
        }
        let source = NamedSource::new(problem.file.clone(), text.to_owned());
        Report::new(diagnostic.with_label(label)).with_source_code(source)
    }
}
