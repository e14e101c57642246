//! As much of JSON Schema as the descriptions use, to hold values against them in both directions.

use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;

/// A schema inside its document.
#[derive(Clone, Copy)]
pub(crate) struct Schema<'a> {
    document: &'a Value,
    node: &'a Value,
}

/// How much the values say about the schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Values {
    /// Some of what may come: each has to fit.
    Some,
    /// All that may come: the schema has to describe nothing else either.
    All,
}

impl<'a> Schema<'a> {
    /// The schema at this node, or where its `$ref` leads.
    pub(crate) fn new(document: &'a Value, mut node: &'a Value) -> Self {
        while let Some(to) = node["$ref"].as_str() {
            let found = document.pointer(to.trim_start_matches('#'));
            node = found.unwrap_or_else(|| panic!("nothing at {to}"));
        }
        Self { document, node }
    }

    /// The names of its properties.
    pub(crate) fn properties(self) -> BTreeSet<&'a str> {
        self.node["properties"]
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .collect()
    }

    /// Whether a value without this property does not fit.
    pub(crate) fn requires(self, property: &str) -> bool {
        texts(&self.node["required"]).contains(property)
    }

    /// Panics with everything that speaks against these values.
    #[track_caller]
    pub(crate) fn holds(self, place: &str, values: &[&Value], how: Values) {
        let mut found = vec![];
        self.compare(place, values, how, &mut found);
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }

    fn compare(self, place: &str, values: &[&Value], how: Values, found: &mut Vec<String>) {
        if let Some(first) = self.node["oneOf"].get(0) {
            // The one use of `oneOf`: something, or null.
            let some: Vec<_> = values.iter().copied().filter(|value| !value.is_null()).collect();
            if how == Values::All && (some.is_empty() || some.len() == values.len()) {
                found
                    .push(format!("{place}: described as something or null, but it is always one"));
            }
            return Self::new(self.document, first).compare(place, &some, how, found);
        }
        self.compare_types(place, values, how, found);
        self.compare_words(place, values, how, found);
        self.compare_properties(place, values, how, found);
        if let Some(items) = self.node.get("items") {
            let inside: Vec<_> =
                values.iter().filter_map(|value| value.as_array()).flatten().collect();
            let place = format!("{place}[]");
            if how == Values::All && inside.is_empty() {
                found.push(format!("{place}: no value tries it"));
            }
            Self::new(self.document, items).compare(&place, &inside, how, found);
        }
    }

    fn compare_types(self, place: &str, values: &[&Value], how: Values, found: &mut Vec<String>) {
        let types = match &self.node["type"] {
            Value::String(one) => BTreeSet::from([one.as_str()]),
            several => texts(several),
        };
        for value in values {
            if !types.is_empty() && !types.iter().any(|name| is(value, name)) {
                found.push(format!("{place}: {value} is not {types:?}"));
            }
        }
        for name in types.iter().filter(|_| how == Values::All) {
            if !values.iter().any(|value| is(value, name)) {
                found.push(format!("{place}: described as {name}, but it never is"));
            }
        }
    }

    fn compare_words(self, place: &str, values: &[&Value], how: Values, found: &mut Vec<String>) {
        let constant = self.node.get("const").map(std::slice::from_ref);
        let listed =
            ["enum", "x-extensible-enum"].iter().find_map(|key| self.node.get(*key)?.as_array());
        let Some(words) = constant.or(listed.map(Vec::as_slice)) else { return };
        for value in values.iter().filter(|value| !words.contains(value)) {
            found.push(format!("{place}: {value} is not described"));
        }
        for word in words.iter().filter(|word| how == Values::All && !values.contains(word)) {
            found.push(format!("{place}: {word} is described, but never comes"));
        }
    }

    fn compare_properties(
        self,
        place: &str,
        values: &[&Value],
        how: Values,
        found: &mut Vec<String>,
    ) {
        let objects: Vec<_> = values.iter().filter_map(|value| value.as_object()).collect();
        let described = self.properties();
        if described.is_empty() || objects.is_empty() {
            return;
        }
        let written: BTreeSet<&str> =
            objects.iter().flat_map(|object| object.keys()).map(String::as_str).collect();
        for name in written.difference(&described) {
            found.push(format!("{place}: {name} is written, but not described"));
        }
        for name in described {
            let place = format!("{place}.{name}");
            let inside: Vec<_> = objects.iter().filter_map(|object| object.get(name)).collect();
            let always = inside.len() == objects.len();
            if self.requires(name) && !always {
                found.push(format!("{place}: required, but not always there"));
            }
            if how == Values::All && always && !self.requires(name) {
                found.push(format!("{place}: always there, but not required"));
            }
            if how == Values::All && inside.is_empty() {
                found.push(format!("{place}: described, but never written"));
            } else if !inside.is_empty() {
                let property = &self.node["properties"][name];
                Self::new(self.document, property).compare(&place, &inside, how, found);
            }
        }
    }
}

fn texts(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type that JSON does not have: {other}"),
    }
}
