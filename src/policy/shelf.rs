//! All profiles of a daemon: the built-in ones, and files that add to them or replace them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::BUILT_IN;
use crate::policy::BadProfile;
use crate::policy::Profile;

/// Profiles by their names.
#[derive(Clone, Debug, Default)]
pub struct Shelf(BTreeMap<String, Arc<Profile>>);

impl Shelf {
    /// The built-in profiles and these files, each a name for messages and a text. A file replaces the
    /// built-in profile of its name; two files of one name are a mistake. Lists the mistakes of all.
    pub fn with(files: &[(String, String)]) -> Result<Self, BadProfile> {
        let mut shelf = Self::default();
        let mut problems = vec![];
        for (file, text) in BUILT_IN {
            shelf.put(Profile::parse(file, text), &mut problems);
        }
        let mut owners: BTreeMap<String, &str> = BTreeMap::new();
        for (file, text) in files {
            let Some(name) = shelf.put(Profile::parse(file, text), &mut problems) else { continue };
            if let Some(other) = owners.insert(name.clone(), file) {
                problems.push(format!(
                    "{file}: profile {name:?} also stands in {other}; give one of them another name"
                ));
            }
        }
        if problems.is_empty() { Ok(shelf) } else { Err(BadProfile { problems }) }
    }

    fn put(
        &mut self,
        read: Result<Profile, BadProfile>,
        problems: &mut Vec<String>,
    ) -> Option<String> {
        match read {
            Ok(profile) => {
                let name = profile.name.clone();
                self.0.insert(name.clone(), Arc::new(profile));
                Some(name)
            }
            Err(bad) => {
                problems.extend(bad.problems);
                None
            }
        }
    }

    /// A profile by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.0.get(name)
    }

    /// What to write instead of a name nobody has.
    #[must_use]
    pub fn no_such(&self, name: &str) -> String {
        let known: Vec<_> = self.0.keys().map(String::as_str).collect();
        format!("there is no profile {name:?}; write one of {}", known.join(", "))
    }

    /// All of them.
    #[must_use]
    pub fn into_map(self) -> BTreeMap<String, Arc<Profile>> {
        self.0
    }
}
