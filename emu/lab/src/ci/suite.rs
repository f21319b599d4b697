//! Suites: named sets of cases. `smoke`, `matrix`, `zoo` and `qda` are in the program; a folder or a file is as good.

use crate::scenario::{Case, Driver, ScenarioError};
use std::path::{Path, PathBuf};

/// Where the suites are among the assets.
const EMBEDDED: &str = "suites/";

/// A case that is to be played.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The suite's name.
    pub suite: String,
    /// What names the suite on a command line.
    pub argument: String,
    /// The file's name, for messages.
    pub file: String,
    /// The case.
    pub case: Case,
}

impl Entry {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.case.name()
    }

    /// Suite and name.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.suite, self.name())
    }
}

/// Why there are no cases.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file is wrong.
    #[error(transparent)]
    Case(#[from] ScenarioError),
    /// No such suite.
    #[error("there is no suite {name:?}: it is neither one of {known}, nor a folder, nor a file")]
    Unknown {
        /// As given.
        name: String,
        /// Those in the program.
        known: String,
    },
    /// A folder cannot be read.
    #[error("cannot read the suite {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder without cases.
    #[error("the suite {0} has no cases (files *.toml with a [workload] table)")]
    Empty(String),
    /// Two cases with one name.
    #[error("two cases of the suite {suite} are called {name:?}: {first} and {second}")]
    Twice {
        /// The suite.
        suite: String,
        /// The name.
        name: String,
        /// A file.
        first: String,
        /// The other.
        second: String,
    },
    /// No case is for a driver.
    #[error("no case of {suites} is for the {driver} driver: all state the other in [needs]")]
    NoneForDriver {
        /// The suites.
        suites: String,
        /// The driver.
        driver: Driver,
    },
    /// The filter fits nothing.
    #[error("no case is called {filter:?} or has that in its name; --list shows all")]
    NoMatch {
        /// The filter.
        filter: String,
    },
}

/// Names of the suites in the program that have cases.
#[must_use]
pub fn embedded() -> Vec<&'static str> {
    let cases = emu_assets::assets()
        .iter()
        .filter(|asset| asset.text().is_some_and(is_case));
    let mut names: Vec<_> = cases
        .filter_map(|asset| asset.path.strip_prefix(EMBEDDED)?.split_once('/'))
        .map(|(suite, _)| suite)
        .collect();
    names.dedup();
    names
}

/// File names and texts of a suite in the program.
fn texts(suite: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    emu_assets::folder(&format!("{EMBEDDED}{suite}"))
        .filter_map(|(file, asset)| Some((file, asset.text()?)))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Whether a text means to be a case: what is only a scenario is passed over in a folder.
fn is_case(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        line.starts_with("[workload") || line.starts_with("workload.") || line.starts_with("[expect")
    })
}

/// The cases of a suite, in order of their files.
///
/// # Errors
/// No such suite, or a file of it is wrong.
pub fn load(name: &str) -> Result<Vec<Entry>, SuiteError> {
    let path = Path::new(name);
    let entries = if texts(name).next().is_some() {
        let cases = texts(name).filter(|(_, text)| is_case(text)).map(|(file, text)| {
            let file = format!("{name}/{file}");
            Ok(Entry {
                suite: name.to_owned(),
                argument: name.to_owned(),
                case: Case::parse(text, &file)?,
                file,
            })
        });
        cases.collect::<Result<Vec<_>, SuiteError>>()?
    } else if path.is_dir() {
        folder(path, name)?
    } else if path.is_file() {
        let suite = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        vec![Entry {
            suite,
            argument: name.to_owned(),
            file: name.to_owned(),
            case: Case::load(path)?,
        }]
    } else {
        return Err(SuiteError::Unknown {
            name: name.to_owned(),
            known: embedded().join(", "),
        });
    };
    if entries.is_empty() {
        return Err(SuiteError::Empty(name.to_owned()));
    }
    for (n, entry) in entries.iter().enumerate() {
        if let Some(other) = entries[..n].iter().find(|other| other.name() == entry.name()) {
            return Err(SuiteError::Twice {
                suite: entry.suite.clone(),
                name: entry.name().to_owned(),
                first: other.file.clone(),
                second: entry.file.clone(),
            });
        }
    }
    Ok(entries)
}

fn folder(path: &Path, name: &str) -> Result<Vec<Entry>, SuiteError> {
    let error = |source| SuiteError::Read {
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(error)? {
        let file = entry.map_err(error)?.path();
        if file.extension().is_some_and(|e| e == "toml") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    let full = path.canonicalize().map_err(error)?;
    let suite = full
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut entries = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|source| SuiteError::Read {
            path: file.clone(),
            source,
        })?;
        let shown = file.display().to_string();
        if is_case(&text) {
            entries.push(Entry {
                suite: suite.clone(),
                argument: name.to_owned(),
                case: Case::parse(&text, &shown)?,
                file: shown,
            });
        }
    }
    Ok(entries)
}

/// Those that can be played with a driver: they state it, or none.
///
/// # Errors
/// There is none.
pub fn for_driver(entries: Vec<Entry>, driver: Driver) -> Result<Vec<Entry>, SuiteError> {
    let mut suites: Vec<String> = entries.iter().map(|entry| entry.suite.clone()).collect();
    suites.dedup();
    let fits = |entry: &Entry| entry.case.needs.driver.is_none_or(|needed| needed == driver);
    let chosen: Vec<Entry> = entries.into_iter().filter(fits).collect();
    if chosen.is_empty() {
        return Err(SuiteError::NoneForDriver {
            suites: suites.join(", "),
            driver,
        });
    }
    Ok(chosen)
}

/// Those whose name is one of the filters, or, for a filter that is nobody's name, contains it. All if there is no filter.
///
/// # Errors
/// A filter that fits nothing.
pub fn choose(entries: Vec<Entry>, filters: &[String]) -> Result<Vec<Entry>, SuiteError> {
    if filters.is_empty() {
        return Ok(entries);
    }
    let mut chosen = vec![false; entries.len()];
    for filter in filters {
        let exactly = entries
            .iter()
            .any(|e| e.name() == filter || e.full_name() == *filter);
        let mut fits = false;
        for (entry, chosen) in entries.iter().zip(&mut chosen) {
            let this = if exactly {
                entry.name() == filter || entry.full_name() == *filter
            } else {
                entry.full_name().contains(filter.as_str())
            };
            *chosen |= this;
            fits |= this;
        }
        if !fits {
            return Err(SuiteError::NoMatch {
                filter: filter.clone(),
            });
        }
    }
    Ok(entries
        .into_iter()
        .zip(chosen)
        .filter_map(|(entry, chosen)| chosen.then_some(entry))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = "description = \"x\"\n[workload]\nrun = \"true\"\n";

    #[test]
    fn every_case_in_the_program_is_good_and_its_name_is_its_file_s() {
        assert!(embedded().contains(&"smoke"), "{:?}", embedded());
        for suite in embedded() {
            for entry in load(suite).unwrap_or_else(|error| panic!("{error}")) {
                assert_eq!(entry.file, format!("{suite}/{}.toml", entry.name()));
            }
        }
    }

    #[test]
    fn a_folder_is_a_suite_and_scenarios_in_it_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let suite = || load(dir.path().to_str().unwrap());
        write(
            "scenario.toml",
            "[[rule]]\non = \"answer\"\ndo = [{ drop = true }]\n",
        );
        assert!(matches!(suite(), Err(SuiteError::Empty(_))));
        write("b.toml", CASE);
        write("a.toml", CASE);
        let names: Vec<_> = suite().unwrap().iter().map(|e| e.name().to_owned()).collect();
        assert_eq!(names, ["a", "b"]);
        write("c.toml", &format!("name = \"a\"\n{CASE}"));
        assert!(suite().unwrap_err().to_string().contains("two cases"));
        write("c.toml", "[workload]\nrum = \"x\"\n");
        let error = suite().unwrap_err().to_string();
        assert!(
            error.contains("c.toml:2:1") && error.contains("did you mean `run`"),
            "{error}"
        );
        assert!(load("no/such").unwrap_err().to_string().contains("smoke"));
    }

    #[test]
    fn a_driver_picks_its_cases_and_those_that_state_none() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, needs: &str| {
            let text = format!("{CASE}[needs]\n{needs}\n");
            std::fs::write(dir.path().join(format!("{name}.toml")), text).unwrap();
        };
        write("a", "driver = \"fastrpc\"");
        let all = || load(dir.path().to_str().unwrap()).unwrap();
        let error = for_driver(all(), Driver::Qda).unwrap_err().to_string();
        assert!(error.contains("is for the qda driver"), "{error}");
        write("b", "");
        write("c", "driver = \"qda\"");
        let names = |driver| -> Vec<String> {
            let chosen = for_driver(all(), driver).unwrap();
            chosen.iter().map(|entry| entry.name().to_owned()).collect()
        };
        assert_eq!(names(Driver::Fastrpc), ["a", "b"]);
        assert_eq!(names(Driver::Qda), ["b", "c"]);
    }

    #[test]
    fn a_filter_is_a_name_or_a_part_of_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["late", "late-twice", "other"] {
            std::fs::write(dir.path().join(format!("{name}.toml")), CASE).unwrap();
        }
        let all = || load(dir.path().to_str().unwrap()).unwrap();
        let names = |filters: &[&str]| -> Vec<String> {
            let filters: Vec<String> = filters.iter().map(|f| (*f).to_owned()).collect();
            choose(all(), &filters)
                .unwrap()
                .iter()
                .map(|e| e.name().to_owned())
                .collect()
        };
        assert_eq!(names(&[]).len(), 3);
        assert_eq!(names(&["late"]), ["late"]);
        assert_eq!(names(&["lat"]), ["late-twice", "late"]);
        assert_eq!(names(&["twice", "other"]), ["late-twice", "other"]);
        assert!(choose(all(), &["x-x".to_owned()]).is_err());
    }
}
