//! The names that a library defines, and which definition of one a reference means if there are several.
//!
//! The choice is that of the GNU C library's loader (`check_match` in elf/dl-lookup.c): a reference with a version binds to the
//! definition of that version, or to one without any. A reference without a version binds to a definition that has none, then to
//! one of the first version that the library has, hidden or not, which was the only one when references had none; then to the
//! default one (`name@@VERSION`). `dlsym` has no version and means the default. In a library without versions all names do.

use std::collections::HashMap;

use super::elf::{Image, Symbol, VersionNumber};

/// The first number of a version that is not the library's own name.
const FIRST: u16 = 2;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    name: &'a [u8],
    version: Wish<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Wish<'a> {
    /// This one; `strict`: no symbol without a version either.
    Version { name: &'a [u8], strict: bool },
    /// What a reference means that says nothing.
    Oldest,
    /// What a program means that says nothing at run time.
    Default,
}

impl<'a> Wanted<'a> {
    /// By a symbol that a library does not define.
    pub fn by(image: &'a Image, symbol: &Symbol) -> Self {
        let version = image.version(symbol);
        Self {
            name: image.name(symbol),
            version: version.map_or(Wish::Oldest, |(name, strict)| Wish::Version { name, strict }),
        }
    }

    /// At run time, by its name alone.
    pub fn named(name: &'a [u8]) -> Self {
        Self {
            name,
            version: Wish::Default,
        }
    }

    /// Its name.
    pub fn name(self) -> &'a [u8] {
        self.name
    }

    /// As messages have it.
    pub fn text(self) -> String {
        let name = String::from_utf8_lossy(self.name);
        match self.version {
            Wish::Version { name: version, .. } => format!("{name}@{}", String::from_utf8_lossy(version)),
            Wish::Oldest | Wish::Default => name.into_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Definition {
    value: u32,
    version: VersionNumber,
}

/// Names and what they stand for: addresses, or offsets in thread-local storage.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Box<[u8]>, (Definition, Vec<Definition>)>);

impl Names {
    /// These symbols of a library, each with its value.
    pub fn of<'a>(image: &Image, symbols: impl Iterator<Item = (&'a Symbol, u32)>) -> Self {
        let mut names: HashMap<Box<[u8]>, (Definition, Vec<Definition>)> = HashMap::new();
        for (symbol, value) in symbols {
            let definition = Definition {
                value,
                version: symbol.version(),
            };
            names
                .entry(Box::from(image.name(symbol)))
                .and_modify(|(_, more)| more.push(definition))
                .or_insert((definition, Vec::new()));
        }
        Self(names)
    }

    /// The value of the definition that is meant.
    pub fn find(&self, image: &Image, wanted: Wanted<'_>) -> Option<u32> {
        let (first, more) = self.0.get(wanted.name)?;
        let mut all = std::iter::once(first).chain(more);
        if !image.has_versions() {
            return Some(first.value);
        }
        let number = |definition: &Definition| definition.version.number();
        let found = match wanted.version {
            Wish::Version { name, strict } => all.find(|one| match image.version_named(one.version) {
                Some(version) => version == name,
                None => !strict && !one.version.is_hidden(),
            }),
            Wish::Oldest | Wish::Default => {
                let plain = match wanted.version {
                    Wish::Oldest => FIRST,
                    _ => FIRST - 1,
                };
                let rest = all.clone().filter(|one| !one.version.is_hidden());
                all.find(|one| number(one) <= plain).or_else(|| {
                    let mut rest = rest.filter(|one| number(one) > plain);
                    rest.next().filter(|_| rest.next().is_none())
                })
            }
        };
        found.map(|one| one.value)
    }
}
