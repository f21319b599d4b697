//! Shrinks a failing case to the shortest one that fails in the same way: delta debugging over rules, what they do, and the
//! program's lines, then over numbers and times. The file is edited, not written anew, so that comments and layout stay.
//!
//! Whether a text still fails is the caller's to say (by playing it): here is only what is tried, and in which order.

use crate::scenario::Case;
use std::collections::BTreeSet;
use toml_edit::{DocumentMut, Item, TableLike, Value};

/// What a trial showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// It fails in the same way.
    Fails,
    /// It does not.
    Passes,
    /// There are to be no more trials.
    Enough,
}

/// Plays a text; the second argument says in words what was left out.
pub type Oracle<'a> = dyn FnMut(&str, &str) -> Trial + 'a;

/// No more trials.
struct Enough;

/// A text on its way to a shorter one.
struct Shrinking<'a, 'b> {
    document: DocumentMut,
    tried: BTreeSet<String>,
    oracle: &'a mut Oracle<'b>,
}

/// Numbers of what a text consists of: rules, actions, lines of the program.
#[must_use]
pub fn size(text: &str) -> (usize, usize, usize) {
    let Ok(document) = text.parse::<DocumentMut>() else {
        return (0, 0, 0);
    };
    let actions =
        (0..rules(&document)).map(|rule| actions(&document, rule, "do") + actions(&document, rule, "then"));
    let lines = program(&document).map_or(0, |(_, text)| {
        let meant = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
        text.lines().filter(meant).count()
    });
    (rules(&document), actions.sum(), lines)
}

/// Shrinks a text that is known to fail; returns the shortest that fails, too.
///
/// # Errors
/// The text is no TOML.
pub fn minimize(text: &str, oracle: &mut Oracle<'_>) -> Result<String, toml_edit::TomlError> {
    let mut shrinking = Shrinking {
        document: text.parse()?,
        tried: BTreeSet::from([text.to_owned()]),
        oracle,
    };
    loop {
        let before = shrinking.document.to_string();
        let enough = shrinking.round().is_err();
        if enough || shrinking.document.to_string() == before {
            return Ok(shrinking.document.to_string());
        }
    }
}

impl Shrinking<'_, '_> {
    fn round(&mut self) -> Result<(), Enough> {
        self.fewer("rules", &|document| rules(document), &keep_rules)?;
        let lines = |document: &DocumentMut| program(document).map_or(0, |(_, text)| text.lines().count());
        self.fewer("lines of the program", &lines, &keep_lines)?;
        for rule in 0..rules(&self.document) {
            for list in ["do", "then"] {
                let count = move |document: &DocumentMut| actions(document, rule, list);
                let what = format!("actions of rule {}", rule + 1);
                self.fewer(&what, &count, &|document, kept| {
                    keep_actions(document, rule, list, kept)
                })?;
            }
        }
        self.fewer("variables", &variables, &keep_variables)?;
        self.smaller()
    }

    /// Tries a changed document; takes it if it fails in the same way.
    fn try_this(&mut self, document: DocumentMut, what: &str) -> Result<bool, Enough> {
        let text = document.to_string();
        // What is no case any more (a variable that is needed, a rule that does nothing) costs no trial.
        if self.tried.contains(&text) || Case::parse(&text, "case.toml").is_err() {
            return Ok(false);
        }
        self.tried.insert(text.clone());
        match (self.oracle)(&text, what) {
            Trial::Fails => {
                self.document = document;
                Ok(true)
            }
            Trial::Passes => Ok(false),
            Trial::Enough => Err(Enough),
        }
    }

    /// Delta debugging over one list: leaves out halves, then quarters, and so on, as long as it still fails.
    fn fewer(
        &mut self,
        what: &str,
        count: &dyn Fn(&DocumentMut) -> usize,
        keep: &dyn Fn(&mut DocumentMut, &[bool]),
    ) -> Result<(), Enough> {
        let mut parts = 1;
        loop {
            let total = count(&self.document);
            if total == 0 || parts > total {
                return Ok(());
            }
            let size = total.div_ceil(parts);
            let mut start = 0;
            let mut left_out = false;
            while start < count(&self.document) {
                let total = count(&self.document);
                let end = (start + size).min(total);
                let kept: Vec<bool> = (0..total).map(|n| !(start..end).contains(&n)).collect();
                let mut document = self.document.clone();
                keep(&mut document, &kept);
                let words = format!("without {what} {} to {} of {total}", start + 1, end);
                if self.try_this(document, &words)? {
                    left_out = true;
                } else {
                    start = end;
                }
            }
            if size == 1 && !left_out {
                return Ok(());
            }
            parts = if size == 1 { total } else { parts * 2 };
        }
    }

    /// Smaller numbers and shorter times, in the rules and in the program.
    fn smaller(&mut self) -> Result<(), Enough> {
        let places = numbers(&self.document);
        for place in 0..places {
            // 1 and the shortest first, then halves of what is left.
            for divisor in [u64::MAX, 10, 2] {
                loop {
                    let mut document = self.document.clone();
                    let Some(words) = shrink_number(&mut document, place, divisor) else {
                        break;
                    };
                    if !self.try_this(document, &words)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

fn rules(document: &DocumentMut) -> usize {
    document
        .get("rule")
        .and_then(Item::as_array_of_tables)
        .map_or(0, toml_edit::ArrayOfTables::len)
}

fn keep_rules(document: &mut DocumentMut, kept: &[bool]) {
    let mut gone = Vec::new();
    if let Some(rules) = document.get_mut("rule").and_then(Item::as_array_of_tables_mut) {
        for (number, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept).rev() {
            if let Some(name) = rules
                .get(number)
                .and_then(|rule| rule.get("name"))
                .and_then(Item::as_str)
            {
                gone.push(name.to_owned());
            }
            rules.remove(number);
        }
        if rules.is_empty() {
            document.remove("rule");
        }
    }
    // What was expected of a rule that is gone.
    let fired = document
        .get_mut("expect")
        .and_then(|expect| expect.get_mut("fired"));
    if let Some(fired) = fired.and_then(Item::as_table_like_mut) {
        for name in gone {
            fired.remove(&name);
        }
    }
}

fn actions(document: &DocumentMut, rule: usize, list: &str) -> usize {
    let rule = document
        .get("rule")
        .and_then(Item::as_array_of_tables)
        .and_then(|rules| rules.get(rule));
    rule.and_then(|rule| rule.get(list))
        .and_then(Item::as_array)
        .map_or(0, toml_edit::Array::len)
}

fn keep_actions(document: &mut DocumentMut, rule: usize, list: &str, kept: &[bool]) {
    let rule = document
        .get_mut("rule")
        .and_then(Item::as_array_of_tables_mut)
        .and_then(|rules| rules.get_mut(rule));
    let array = rule
        .and_then(|rule| rule.get_mut(list))
        .and_then(Item::as_array_mut);
    if let Some(array) = array {
        for (number, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept).rev() {
            array.remove(number);
        }
    }
}

fn variables(document: &DocumentMut) -> usize {
    document
        .get("vars")
        .and_then(Item::as_table_like)
        .map_or(0, TableLike::len)
}

fn keep_variables(document: &mut DocumentMut, kept: &[bool]) {
    if let Some(vars) = document.get_mut("vars").and_then(Item::as_table_like_mut) {
        let names: Vec<String> = vars.iter().map(|(name, _)| name.to_owned()).collect();
        for (name, _) in names.iter().zip(kept).filter(|(_, kept)| !**kept) {
            vars.remove(name);
        }
        if vars.is_empty() {
            document.remove("vars");
        }
    }
}

/// The key of the workload's program, and its text.
fn program(document: &DocumentMut) -> Option<(&'static str, &str)> {
    let workload = document.get("workload")?.as_table_like()?;
    ["drive", "run"]
        .into_iter()
        .find_map(|key| Some((key, workload.get(key)?.as_str()?)))
}

fn set_program(document: &mut DocumentMut, key: &str, text: &str) {
    let workload = document.get_mut("workload").and_then(Item::as_table_like_mut);
    if let Some(Item::Value(value)) = workload.and_then(|workload| workload.get_mut(key)) {
        let decor = value.decor().clone();
        // Written as it was: over several lines if there are several.
        let literal = if text.contains('\n') && !text.contains("\"\"\"") && !text.contains('\\') {
            format!("\"\"\"\n{text}\"\"\"").parse::<Value>().ok()
        } else {
            None
        };
        *value = literal.unwrap_or_else(|| Value::from(text));
        *value.decor_mut() = decor;
    }
}

fn keep_lines(document: &mut DocumentMut, kept: &[bool]) {
    let Some((key, text)) = program(document) else {
        return;
    };
    let lines = text.lines().zip(kept).filter(|(_, kept)| **kept);
    let text: String = lines.map(|(line, _)| format!("{line}\n")).collect();
    set_program(document, key, &text);
}

/// Calls `each` for every place of a number or a time, in order, until it returns something.
fn visit<T>(document: &mut DocumentMut, each: &mut dyn FnMut(&mut Value) -> Option<T>) -> Option<T> {
    fn values<T>(value: &mut Value, each: &mut dyn FnMut(&mut Value) -> Option<T>) -> Option<T> {
        match value {
            Value::Array(array) => array.iter_mut().find_map(|value| values(value, each)),
            Value::InlineTable(table) => table.iter_mut().find_map(|(_, value)| values(value, each)),
            Value::Integer(_) | Value::String(_) => each(value),
            _ => None,
        }
    }
    let rules = document.get_mut("rule").and_then(Item::as_array_of_tables_mut)?;
    for rule in rules.iter_mut() {
        for list in ["do", "then"] {
            if let Some(found) = rule
                .get_mut(list)
                .and_then(Item::as_value_mut)
                .and_then(|value| values(value, each))
            {
                return Some(found);
            }
        }
    }
    None
}

/// Positions of the plain numbers in a program: those that are words of their own.
fn words_with_numbers(text: &str) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        if !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit()) {
            out.push((at, at + bare.len()));
        }
        at += word.len();
    }
    out
}

/// How many numbers and times there are.
fn numbers(document: &DocumentMut) -> usize {
    let mut count = 0;
    visit::<()>(&mut document.clone(), &mut |_| {
        count += 1;
        None
    });
    count + program(document).map_or(0, |(_, text)| words_with_numbers(text).len())
}

fn smaller(n: u64, divisor: u64) -> Option<u64> {
    let less = (n / divisor).max(1);
    (less < n).then_some(less)
}

/// Makes the number at that place smaller; `None` if it cannot be.
fn shrink_number(document: &mut DocumentMut, place: usize, divisor: u64) -> Option<String> {
    let mut at = 0;
    let found = visit(document, &mut |value| {
        let this = at == place;
        at += 1;
        if !this {
            return None;
        }
        let decor = value.decor().clone();
        let (old, new) = match &*value {
            Value::Integer(n) => {
                let n = u64::try_from(*n.value()).ok()?;
                let less = i64::try_from(smaller(n, divisor)?).ok()?;
                (n.to_string(), Value::from(less))
            }
            Value::String(text) => {
                let text = text.value();
                let digits = text.find(|c: char| !c.is_ascii_digit())?;
                let (number, unit) = text.split_at(digits);
                if !["us", "ms", "s"].contains(&unit) {
                    return None;
                }
                let (n, unit) = match (number.parse::<u64>().ok()?, unit) {
                    (n, "s") => (n * 1000, "ms"),
                    (n, unit) => (n, unit),
                };
                (
                    text.clone(),
                    Value::from(format!("{}{unit}", smaller(n, divisor)?)),
                )
            }
            _ => return None,
        };
        *value = new;
        *value.decor_mut() = decor;
        Some(format!("with {} for {old}", value.to_string().trim()))
    });
    if found.is_some() || place < at {
        return found;
    }
    let (key, text) = program(document)?;
    let (start, end) = *words_with_numbers(text).get(place - at)?;
    let old: u64 = text.get(start..end)?.parse().ok()?;
    let new = smaller(old, divisor)?;
    let text = format!("{}{new}{}", &text[..start], &text[end..]);
    set_program(document, key, &text);
    Some(format!("with {new} for {old} in the program"))
}

#[cfg(test)]
#[path = "minimize_tests.rs"]
mod tests;
