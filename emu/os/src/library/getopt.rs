//! `getopt` and `getopt_long`: as POSIX's `<unistd.h>` and GNU's manual have them, in musl's version. `getopt` stops at the first
//! argument that is no option; the long ones bring options to the front unless the letters begin with `+` or `-`.
//!
//! `optarg`, `optind`, `opterr`, `optopt` and BSD's `optreset` are words of the process's own; how far an element with several letters
//! was read is kept beside them.

use super::files;
use crate::builtins::OPTIONS;
use crate::kernel::call::{Call, Done, Stop};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("getopt", getopt, "`int getopt(int count, char *const arguments[], const char *letters)`: the next option; -1 at the first argument that is none, '?' and a line for a wrong one"),
    import("getopt_long", getopt_long, "`int getopt_long(int, char *const[], const char *letters, const struct option *, int *index)`: the same with names, which may be cut short; options come to the front"),
    import("getopt_long_only", getopt_long_only, "`int getopt_long_only(int, char *const[], const char *letters, const struct option *, int *index)`: the same, with one dash, too"),
];

/// Arguments, and long options, that are looked at: no program has more.
const MOST: u32 = 1 << 16;
/// Longest argument that is compared with names.
const LONGEST: usize = 4096;
const NONE: u32 = u32::MAX;
const WRONG: u32 = b'?' as u32;
const LACKS: u32 = b':' as u32;

/// What is asked for.
struct Asked {
    count: u32,
    arguments: u32,
    letters: Vec<u8>,
    /// The letters began with `+` or `-`.
    order: Option<u8>,
    /// Addresses of the long options and of where the index of one goes; 0 for none.
    long: (u32, u32),
    /// Long options may have one dash.
    one_dash: bool,
}

/// What came of it: what the function returns, and what is to be said of which option.
struct Found {
    value: u32,
    say: Option<(&'static str, Vec<u8>)>,
}

impl Found {
    fn is(value: u32) -> Self {
        Self { value, say: None }
    }
}

/// Words of the process.
#[derive(Clone, Copy)]
enum Word {
    Argument,
    Index,
    Errors,
    Option,
    Reset,
}

impl Word {
    fn at(self, c: &Call<'_>) -> Result<u32, Stop> {
        let name = OPTIONS[self as usize].0;
        let at = c.os.builtins.address(name.as_bytes());
        at.ok_or_else(|| Stop::because(format!("{name} is not in {}", c.os.builtins.origin())))
    }

    fn get(self, c: &Call<'_>) -> Result<u32, Stop> {
        c.load32(self.at(c)?)
    }

    fn set(self, c: &Call<'_>, value: u32) -> Result<(), Stop> {
        c.store32(self.at(c)?, value)
    }
}

impl Asked {
    fn load(c: &Call<'_>, long: (u32, u32), one_dash: bool) -> Result<Self, Stop> {
        let (count, arguments) = (c.arg(0)? as i32, c.arg(1)?);
        let mut letters = c.cstr(c.arg(2)?)?;
        let order = letters
            .first()
            .copied()
            .filter(|&first| matches!(first, b'+' | b'-'));
        if order.is_some() {
            letters.remove(0);
        }
        Ok(Self {
            count: u32::try_from(count).unwrap_or(0).min(MOST),
            arguments,
            letters,
            order,
            long,
            one_dash,
        })
    }

    /// The address of an argument; `None`: there are no more.
    fn argument(&self, c: &Call<'_>, n: u32) -> Result<Option<u32>, Stop> {
        if n >= self.count {
            return Ok(None);
        }
        let at = c.load32(self.arguments.wrapping_add(4 * n))?;
        Ok(Some(at).filter(|&at| at != 0))
    }

    /// Does a wrong option end with ':', without a line?
    fn is_quiet(&self) -> bool {
        self.letters.first() == Some(&b':')
    }

    /// What is answered when an option's argument is not there.
    fn lacks(&self, option: &[u8]) -> Found {
        match self.is_quiet() {
            true => Found::is(LACKS),
            false => self.wrong("option requires an argument", option),
        }
    }

    fn wrong(&self, what: &'static str, option: &[u8]) -> Found {
        Found {
            value: WRONG,
            say: (!self.is_quiet()).then(|| (what, option.to_vec())),
        }
    }
}

fn getopt(c: &mut Call<'_>) -> Done {
    let asked = Asked::load(c, (0, 0), false)?;
    begin(c)?;
    let found = next(c, &asked)?;
    answer(c, &asked, found)
}

fn getopt_long(c: &mut Call<'_>) -> Done {
    permuting(c, false)
}

fn getopt_long_only(c: &mut Call<'_>) -> Done {
    permuting(c, true)
}

/// `optind` 0, and `optreset`, begin anew.
fn begin(c: &mut Call<'_>) -> Result<(), Stop> {
    if Word::Index.get(c)? == 0 || Word::Reset.get(c)? != 0 {
        Word::Reset.set(c, 0)?;
        Word::Index.set(c, 1)?;
        c.os.lib.option_place = 0;
    }
    Ok(())
}

/// Is it an option, or "--"?
fn is_option(c: &Call<'_>, at: u32) -> Result<bool, Stop> {
    Ok(c.load8(at)? == b'-' && c.load8(at.wrapping_add(1))? != 0)
}

fn permuting(c: &mut Call<'_>, one_dash: bool) -> Done {
    let asked = Asked::load(c, (c.arg(3)?, c.arg(4)?), one_dash)?;
    begin(c)?;
    let skipped = Word::Index.get(c)?;
    if asked.order.is_none() {
        let mut at = skipped;
        loop {
            match asked.argument(c, at)? {
                None => return c.ret(NONE),
                Some(argument) if is_option(c, argument)? => break,
                Some(_) => at += 1,
            }
        }
        Word::Index.set(c, at)?;
    }
    let from = Word::Index.get(c)?;
    let found = next(c, &asked)?;
    let to = Word::Index.get(c)?.min(asked.count);
    if from > skipped && to >= from {
        let (at, len) = (asked.arguments.wrapping_add(4 * skipped), to - skipped);
        let mut words = c.load(at, 4 * len)?;
        words.rotate_left(4 * (from - skipped) as usize);
        c.store(at, &words)?;
        Word::Index.set(c, skipped + to - from)?;
    }
    answer(c, &asked, found)
}

/// Says what is wrong, if anything is, and returns.
fn answer(c: &mut Call<'_>, asked: &Asked, found: Found) -> Done {
    let Some((what, option)) = found.say.filter(|_| asked.count > 0) else {
        return c.ret(found.value);
    };
    if Word::Errors.get(c)? == 0 {
        return c.ret(found.value);
    }
    let program = match c.load32(asked.arguments)? {
        0 => Vec::new(),
        at => c.cstr_max(at, LONGEST)?,
    };
    let line = [&program[..], b": ", what.as_bytes(), b": ", &option, b"\n"].concat();
    files::put(c, 2, line, Box::new(move |c, _| c.ret(found.value)))
}

fn next(c: &mut Call<'_>, asked: &Asked) -> Result<Found, Stop> {
    let index = Word::Index.get(c)?;
    let Some(at) = asked.argument(c, index)? else {
        return Ok(Found::is(NONE));
    };
    let place = c.os.lib.option_place;
    if place == 0 {
        if c.load8(at)? != b'-' {
            if asked.order != Some(b'-') {
                return Ok(Found::is(NONE));
            }
            Word::Argument.set(c, at)?;
            Word::Index.set(c, index + 1)?;
            return Ok(Found::is(1));
        }
        match c.load8(at.wrapping_add(1))? {
            0 => return Ok(Found::is(NONE)),
            b'-' if c.load8(at.wrapping_add(2))? == 0 => {
                Word::Index.set(c, index + 1)?;
                return Ok(Found::is(NONE));
            }
            second if asked.long.0 != 0 && (second == b'-' || asked.one_dash) => {
                if let Some(found) = named(c, asked, at, second == b'-')? {
                    return Ok(found);
                }
            }
            _ => {}
        }
    }
    letter(c, asked, at, place.max(1))
}

/// The letter at a place of an element.
fn letter(c: &mut Call<'_>, asked: &Asked, at: u32, place: u32) -> Result<Found, Stop> {
    let index = Word::Index.get(c)?;
    let letter = c.load8(at.wrapping_add(place))?;
    let more = c.load8(at.wrapping_add(place + 1))? != 0;
    let step = |c: &mut Call<'_>| {
        c.os.lib.option_place = if more { place + 1 } else { 0 };
        Word::Index.set(c, if more { index } else { index + 1 })
    };
    let known = asked
        .letters
        .iter()
        .position(|&known| known == letter && known != b':');
    let Some(known) = known else {
        step(c)?;
        Word::Option.set(c, letter.into())?;
        return Ok(asked.wrong("unrecognized option", &[letter]));
    };
    let colons = asked.letters[known + 1..]
        .iter()
        .take(2)
        .take_while(|&&l| l == b':')
        .count();
    if colons == 0 {
        step(c)?;
        return Ok(Found::is(letter.into()));
    }
    c.os.lib.option_place = 0;
    let own = at.wrapping_add(place + 1);
    let (argument, index) = match more {
        true => (Some(own), index + 1),
        false if colons == 2 => (Some(0), index + 1),
        false => (asked.argument(c, index + 1)?, index + 2),
    };
    Word::Index.set(c, index.min(asked.count))?;
    match argument {
        Some(argument) => {
            Word::Argument.set(c, argument)?;
            Ok(Found::is(letter.into()))
        }
        None => {
            Word::Option.set(c, letter.into())?;
            Ok(asked.lacks(&[letter]))
        }
    }
}

/// `struct option`, without its name.
#[derive(Clone, Copy)]
struct Long {
    number: u32,
    has_argument: u32,
    flag: u32,
    value: u32,
}

/// The long options that a name may be: the first that is named so; the first whose name begins so; there are others of those.
struct Named {
    exact: Option<Long>,
    begun: Option<Long>,
    ambiguous: bool,
}

/// Looks through the long options up to the one without a name.
fn look_up(c: &Call<'_>, at: u32, wanted: &[u8]) -> Result<Named, Stop> {
    const LEN: u32 = 16;
    let mut found = Named {
        exact: None,
        begun: None,
        ambiguous: false,
    };
    for number in 0..MOST {
        let word = |offset: u32| c.load32(at.wrapping_add(LEN * number + offset));
        let name = word(0)?;
        if name == 0 {
            break;
        }
        let name = c.cstr_max(name, LONGEST)?;
        if !name.starts_with(wanted) {
            continue;
        }
        let long = Long {
            number,
            has_argument: word(4)?,
            flag: word(8)?,
            value: word(12)?,
        };
        if name == wanted && found.exact.is_none() {
            found.exact = Some(long);
        }
        found.ambiguous |= found.begun.is_some();
        found.begun = found.begun.or(Some(long));
    }
    Ok(found)
}

/// A long option; `None`: it may be letters after all.
fn named(c: &mut Call<'_>, asked: &Asked, at: u32, two_dashes: bool) -> Result<Option<Found>, Stop> {
    let text = c.cstr_max(at, LONGEST)?;
    let begin = if two_dashes { 2 } else { 1 };
    // Another thread may have cut it short meanwhile.
    let element = text.get(begin..).unwrap_or_default();
    let name = element.split(|&byte| byte == b'=').next().unwrap_or_default();
    let with_argument = name.len() < element.len();
    let is_letter = |text: &[u8]| text.first().is_some_and(|first| asked.letters.contains(first));
    // One dash and one letter that is known is that letter.
    if !two_dashes && name.len() == 1 && is_letter(name) {
        return Ok(None);
    }
    let found = look_up(c, asked.long.0, name)?;
    let index = Word::Index.get(c)?;
    let long = match (found.exact, found.begun) {
        (Some(exact), _) => exact,
        (None, Some(begun)) if !found.ambiguous => begun,
        (None, None) if !two_dashes && is_letter(element) => return Ok(None),
        (None, begun) => {
            Word::Index.set(c, index + 1)?;
            Word::Option.set(c, 0)?;
            let what = match begun {
                Some(_) => "option is ambiguous",
                None => "unrecognized option",
            };
            return Ok(Some(asked.wrong(what, name)));
        }
    };
    Word::Index.set(c, index + 1)?;
    let own = at.wrapping_add((begin + name.len() + 1) as u32);
    let argument = match (long.has_argument, with_argument) {
        (0, true) => {
            Word::Option.set(c, long.value)?;
            return Ok(Some(asked.wrong("option does not take an argument", name)));
        }
        (_, true) => own,
        (1, false) => match asked.argument(c, index + 1)? {
            Some(argument) => {
                Word::Index.set(c, index + 2)?;
                argument
            }
            None => {
                Word::Option.set(c, long.value)?;
                return Ok(Some(asked.lacks(name)));
            }
        },
        _ => 0,
    };
    Word::Argument.set(c, argument)?;
    if asked.long.1 != 0 {
        c.store32(asked.long.1, long.number)?;
    }
    if long.flag == 0 {
        return Ok(Some(Found::is(long.value)));
    }
    c.store32(long.flag, long.value)?;
    Ok(Some(Found::is(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    /// Arguments for a program: how many, and where.
    fn arguments(g: &mut Guest, all: &[&str]) -> (u32, u32) {
        let places: Vec<u32> = all
            .iter()
            .map(|text| g.bytes(format!("{text}\0").as_bytes()))
            .collect();
        let words: Vec<u8> = places
            .iter()
            .chain([&0])
            .flat_map(|at| at.to_le_bytes())
            .collect();
        (all.len() as u32, g.bytes(&words))
    }

    fn word(g: &Guest, name: &str) -> u32 {
        g.word(g.os.builtins.address(name.as_bytes()).unwrap())
    }

    /// What a program that asks until there are no more sees: options with their arguments, then what is left.
    fn all(g: &mut Guest, name: &str, letters: &str, long: &[(&str, u32, u32)], given: &[&str]) -> String {
        let reset = g.os.builtins.address(b"optind").unwrap();
        g.write(reset, &[0; 4]);
        let (count, at) = arguments(g, given);
        let letters = g.bytes(format!("{letters}\0").as_bytes());
        let options: Vec<u8> = long
            .iter()
            .flat_map(|&(name, has, value)| [g.bytes(format!("{name}\0").as_bytes()), has, 0, value])
            .chain([0; 4])
            .flat_map(u32::to_le_bytes)
            .collect();
        let options = g.bytes(&options);
        let mut out = Vec::new();
        loop {
            let value = g.call(name, &[count, at, letters, options, 0]);
            if value == NONE {
                break;
            }
            let argument = match word(g, "optarg") {
                0 => String::new(),
                at => g.text(at),
            };
            let has = matches!(value, 1)
                || long.iter().any(|l| l.2 == value && l.1 > 0)
                || matches!(char::from(value as u8), 'b' | 'o');
            let shown = char::from_u32(value).map_or('!', |ch| if value == 1 { '1' } else { ch });
            out.push(if has {
                format!("{shown}={argument}")
            } else {
                shown.to_string()
            });
        }
        let left = (word(g, "optind")..count).map(|n| g.text(g.word(at + 4 * n)));
        out.push("|".into());
        out.extend(left);
        out.join(" ")
    }

    #[test]
    fn letters_stand_alone_together_and_with_arguments() {
        let mut g = Guest::new();
        let mut run = |letters: &str, given: &[&str]| all(&mut g, "getopt", letters, &[], given);
        assert_eq!(
            run("ab:c", &["p", "-ac", "-bx", "-b", "y", "rest", "-a"]),
            "a c b=x b=y | rest -a"
        );
        assert_eq!(run("ab:", &["p", "-a", "--", "-a"]), "a | -a");
        assert_eq!(run("a", &["p", "-"]), "| -");
        assert_eq!(run(":ab:", &["p", "-x", "-b"]), "? : |");
        assert_eq!(run("o::", &["p", "-ofoo", "-o", "x"]), "o=foo o= | x");
        assert_eq!(run("-a", &["p", "x", "-a", "y"]), "1=x a 1=y |");
        assert_eq!(run("a", &[]), "|");
    }

    #[test]
    fn names_are_found_whole_or_cut_short_and_options_come_first() {
        let mut g = Guest::new();
        let long = [
            ("verbose", 0, 256),
            ("version", 0, 257),
            ("file", 1, 258),
            ("level", 2, 259),
        ];
        let mut run = |letters: &str, given: &[&str]| {
            let seen = all(&mut g, "getopt_long", letters, &long, given);
            seen.replace(['\u{100}'], "V")
                .replace('\u{101}', "W")
                .replace('\u{102}', "F")
                .replace('\u{103}', "L")
        };
        assert_eq!(
            run(
                "ab:",
                &["p", "x", "--verbose", "y", "--file", "f", "-ab", "z", "w"]
            ),
            "V F=f a b=z | x y w"
        );
        assert_eq!(
            run("", &["p", "--fi=g", "--level", "--level=3", "--", "--file"]),
            "F=g L= L=3 | --file"
        );
        assert_eq!(
            run(
                "",
                &["p", "--ver", "--verb", "--nothing", "--verbose=1", "--file"]
            ),
            "? V ? ? ? |"
        );
        assert_eq!(run(":", &["p", "--file"]), ": |");
        assert_eq!(run("+a", &["p", "x", "-a"]), "| x -a");
        let lines: Vec<String> =
            g.ap.0
                .lock()
                .unwrap()
                .iter()
                .map(|line| line.text.clone())
                .collect();
        assert_eq!(
            lines,
            [
                "p: option is ambiguous: ver",
                "p: unrecognized option: nothing",
                "p: option does not take an argument: verbose",
                "p: option requires an argument: file"
            ]
        );
    }

    #[test]
    fn one_dash_is_enough_where_that_is_asked_for() {
        let mut g = Guest::new();
        let long = [("all", 0, 65), ("big", 0, 66)];
        let mut run = |given: &[&str]| all(&mut g, "getopt_long_only", "a", &long, given);
        assert_eq!(run(&["p", "-all", "-a", "--big", "-b", "-x"]), "A a B B ? |");
    }

    #[test]
    fn flags_are_stored_and_the_index_told() {
        let mut g = Guest::new();
        let (count, at) = arguments(&mut g, &["p", "--two"]);
        let (one, two, flag) = (g.bytes(b"one\0"), g.bytes(b"two\0"), g.bytes(&[0; 8]));
        let options: Vec<u8> = [one, 0, 0, 1, two, 0, flag, 7, 0, 0, 0, 0]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        let (options, letters) = (g.bytes(&options), g.bytes(b"\0"));
        assert_eq!(g.call("getopt_long", &[count, at, letters, options, flag + 4]), 0);
        assert_eq!((g.word(flag), g.word(flag + 4)), (7, 1));
        assert!(g.try_call("getopt", &[9, 0x10, letters]).is_err());
    }
}
