# Everyday commands. `just` lists them; `just check` is what CI asks of every change.

_default:
    @just --list --unsorted

# All that CI checks, without installing anything and without the browser
check:
    cargo fmt --check
    cargo clippy --release --all-targets -- -D warnings
    cargo check --release --lib --no-default-features
    cargo test --release --no-fail-fast
    cargo deny check bans licenses sources
    RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps

# The whole run: installs tools, then everything, browser included (`just test --load`)
test *options:
    tests/run {{ options }}

# A daemon with simulated callers; open the address it prints
demo *options:
    cargo run --release -- demo {{ options }}

# Mend what a machine can mend
fix:
    cargo clippy --release --all-targets --fix --allow-dirty --allow-staged
    cargo fmt

# How far the systemd unit is hardened (0 is best)
hardening:
    systemd-analyze security --offline=true --threshold=15 systemd/countersign.service
