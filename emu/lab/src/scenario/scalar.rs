//! Values that are written as one TOML number, boolean or string, or as a list of such.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Most entries of a list.
const MAX_LIST: usize = 256;

/// A value that one number, boolean or string means.
pub trait FromToml: Sized {
    /// What it is, for messages: "a time like …".
    const IS: &'static str;

    /// From a number; `None` if a number is not what it is written as.
    fn from_int(_n: i64) -> Option<Self> {
        None
    }

    /// From a boolean; `None` if a boolean is not what it is written as.
    fn from_bool(_yes: bool) -> Option<Self> {
        None
    }

    /// From a string.
    ///
    /// # Errors
    /// What is wrong with it.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Reads a value that is one of those.
pub fn from_scalar<'de, T: FromToml, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(OneVisitor(PhantomData))
}

/// Reads one, or a list of some.
pub fn one_or_list<'de, T: FromToml, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(ListVisitor(PhantomData))
}

/// An element of a list.
struct One<T>(T);

impl<'de, T: FromToml> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_scalar(deserializer).map(One)
    }
}

struct OneVisitor<T>(PhantomData<T>);

impl<T: FromToml> Visitor<'_> for OneVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::IS)
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<T, E> {
        T::from_int(n).ok_or_else(|| E::invalid_type(serde::de::Unexpected::Signed(n), &self))
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<T, E> {
        T::from_bool(yes).ok_or_else(|| E::invalid_type(serde::de::Unexpected::Bool(yes), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: FromToml> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or a list of such", T::IS)
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Vec<T>, E> {
        OneVisitor(PhantomData).visit_i64(n).map(|one| vec![one])
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Vec<T>, E> {
        OneVisitor(PhantomData).visit_bool(yes).map(|one| vec![one])
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        OneVisitor(PhantomData).visit_str(text).map(|one| vec![one])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(One(one)) = seq.next_element()? {
            if all.len() >= MAX_LIST {
                return Err(A::Error::custom(format!(
                    "a list of more than {MAX_LIST} entries"
                )));
            }
            all.push(one);
        }
        if all.is_empty() {
            return Err(A::Error::custom("an empty list"));
        }
        Ok(all)
    }
}
