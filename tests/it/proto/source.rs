//! What the sources themselves say: words, fields and routes that no sample may leave out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// A file of the repository.
pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A source file without its unit tests.
pub(crate) fn production(path: &str) -> String {
    let text = fs::read_to_string(here(path)).expect("a source file");
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// What stands between these two.
pub(crate) fn between<'a>(source: &'a str, begin: &str, end: &str) -> &'a str {
    let rest = source.split_once(begin).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split_once(end)).unwrap_or_else(|| panic!("no {begin}")).0
}

/// All texts in quotes.
pub(crate) fn literals(source: &str) -> BTreeSet<String> {
    source.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The texts in quotes that follow directly after this one.
pub(crate) fn literals_after<'a>(
    source: &'a str,
    before: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let following = source.split(before).skip(1);
    following.filter_map(|rest| Some(rest.strip_prefix('"')?.split_once('"')?.0.to_owned()))
}

/// The names of a struct's fields.
pub(crate) fn fields_of(source: &str, name: &str) -> BTreeSet<String> {
    let body = between(source, &format!("{name} {{"), "\n}");
    let lines = body.lines().filter_map(|line| line.trim().split_once(": "));
    lines.map(|(name, _)| name.trim_start_matches("r#").to_owned()).collect()
}

/// Path and method of everything that is routed here.
pub(crate) fn routes(source: &str) -> BTreeSet<(String, String)> {
    source.split(".route(").skip(1).filter_map(|rest| route(arguments(rest))).flatten().collect()
}

fn route(arguments: &str) -> Option<Vec<(String, String)>> {
    let (path, handlers) = arguments.trim_start().strip_prefix('"')?.split_once('"')?;
    let (first, chained) = handlers.trim_start_matches(',').trim_start().split_once('(')?;
    let further = ["get", "post", "put", "patch", "delete"]
        .into_iter()
        .filter(|method| chained.contains(&format!(").{method}(")));
    let methods = [first].into_iter().chain(further);
    Some(methods.map(|method| (path.to_owned(), method.to_owned())).collect())
}

/// What stands before the bracket that closes this call.
fn arguments(source: &str) -> &str {
    let mut open = 1_usize;
    let end = source.find(|c: char| {
        match c {
            '(' => open = open.saturating_add(1),
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
        open == 0
    });
    end.and_then(|end| source.get(..end)).unwrap_or(source)
}
