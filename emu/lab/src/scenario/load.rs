//! From a file's text to a checked scenario, and the case if it is one.

use super::case::{self, Case};
use super::check;
use super::error::{Problem, ScenarioError};
use super::file;
use super::rule::Scenario;
use std::path::Path;

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, ScenarioError> {
    std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
        path: path.to_owned(),
        source,
    })
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ScenarioError::Read`], or [`ScenarioError::Wrong`] with line and column.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        Self::parse(&read(path)?, &path.display().to_string())
    }

    /// Parses a text; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ScenarioError::Wrong`]
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        Ok(Self::parse_case(text, file)?.0)
    }

    /// The scenario, and the case if the text is one.
    pub(super) fn parse_case(text: &str, file: &str) -> Result<(Self, Option<Case>), ScenarioError> {
        let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        let locate = |problem: Problem| problem.locate(file, text);
        let mut written: file::File =
            toml::from_str(text).map_err(|error| locate(Problem::from_toml(&error)))?;
        let tables = written.tables();
        let scenario = check::scenario(written, &name).map_err(locate)?;
        let case = case::check(tables, &scenario).map_err(locate)?;
        Ok((scenario, case))
    }
}
