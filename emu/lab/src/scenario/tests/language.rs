//! Parser, checker, schema.

use super::super::{Scenario, ScenarioError, file};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn wrong(text: &str) -> (usize, usize, String, Option<String>) {
    match Scenario::parse(text, "x.toml") {
        Err(ScenarioError::Wrong {
            line,
            column,
            message,
            hint,
            ..
        }) => (line, column, message, hint),
        other => panic!("{text}: {other:?}"),
    }
}

/// A rule with this body, whose first line is line 2.
fn rule(body: &str) -> (usize, usize, String, Option<String>) {
    wrong(&format!("[[rule]]\n{body}\n"))
}

#[test]
fn errors_have_line_column_and_hint() {
    let unknown = rule("on = \"answer\"\nhandel = 3\ndo = [{ drop = true }]");
    assert_eq!(
        (unknown.0, unknown.1, unknown.3.as_deref()),
        (3, 1, Some("handle"))
    );
    let unknown = rule("on = \"answer\"\ndo = [{ dealy = \"5ms\" }]");
    assert_eq!(
        (unknown.0, unknown.1, unknown.3.as_deref()),
        (3, 9, Some("delay"))
    );
    let kind = rule("on = \"anser\"\ndo = [{ drop = true }]");
    assert_eq!((kind.0, kind.1, kind.3.as_deref()), (2, 6, Some("answer")));
    let syntax = wrong("name = \"x\"\n[[rule]]\non = \n");
    assert_eq!(syntax.0, 3);
    let value = rule("on = \"answer\"\ndo = [\n  { retval = 1 },\n  { delay = \"5 parsecs\" },\n]");
    assert_eq!((value.0, value.1), (5, 13), "{}", value.2);
    assert!(value.2.contains("is not a time"));
    let name =
        wrong("[vars]\ncrashes = 0\n[[rule]]\non = \"start\"\nif = \"crash < 3\"\ndo = [{ drop = true }]");
    assert_eq!((name.0, name.1, name.3.as_deref()), (5, 6, Some("crashes")));
    let command = rule("on = \"glink\"\ncommand = [\"open\", \"intent\"]\ndo = [{ drop = true }]");
    assert_eq!(
        (command.0, command.1, command.3.as_deref()),
        (3, 11, Some("intents"))
    );
    let wide = wrong("name = \"äöü\" x = 1");
    assert_eq!((wide.0, wide.1), (1, 14), "columns are characters: {}", wide.2);
    assert!(
        ScenarioError::Wrong {
            file: "f".into(),
            line: 1,
            column: 2,
            message: "m".into(),
            hint: Some("h".into()),
            text: "t".into()
        }
        .to_string()
        .starts_with("f:1:2: m (did you mean `h`?)")
    );
}

#[test]
fn what_cannot_work_is_refused() {
    let cases = [
        ("on = \"answer\"", "does nothing"),
        ("on = \"answer\"\ndo = [{}]", "needs a verb"),
        (
            "on = \"answer\"\ndo = [{ drop = true, retval = 1 }]",
            "drop and retval in one entry",
        ),
        (
            "on = \"answer\"\ndo = [{ drop = true }, { delay = \"1s\" }]",
            "only once",
        ),
        ("on = \"answer\"\ndo = [{ drop = false }]", "leave it out"),
        ("on = \"answer\"\nthen = [{ drop = true }]", "belongs into `do`"),
        (
            "on = \"answer\"\ndo = [{ retval = 1, after = \"1s\" }]",
            "use `delay`",
        ),
        (
            "on = \"answer\"\ndo = [{ drop = true, for = \"1s\" }]",
            "`for` goes with",
        ),
        (
            "on = \"write\"\ndo = [{ drop = true, whole = true }]",
            "`whole` goes with",
        ),
        (
            "on = \"answer\"\ncid = 3\ndo = [{ drop = true }]",
            "`answer` has no `cid`",
        ),
        (
            "on = \"answer\"\ncommand = \"open\"\ndo = [{ drop = true }]",
            "`answer` has no `command`",
        ),
        (
            "on = \"answer\"\nrises = \"ready\"\ndo = [{ drop = true }]",
            "`answer` has no `rises`",
        ),
        (
            "on = \"smp2p\"\nrises = \"raedy\"\ndo = [{ drop = true }]",
            "not a bit",
        ),
        ("on = \"smp2p\"\nrises = 32\ndo = [{ drop = true }]", "no bit 32"),
        (
            "on = \"answer\"\ncontains = \"00\"\ndo = [{ drop = true }]",
            "has no bytes",
        ),
        (
            "on = \"glink\"\ncontains = \"\"\ndo = [{ drop = true }]",
            "is empty",
        ),
        (
            "on = \"request\"\ndirection = \"out\"\ndo = [{ drop = true }]",
            "never goes that way",
        ),
        (
            "on = \"signal\"\ndirection = \"out\"\ndo = [{ halt = true }]",
            "no `direction`",
        ),
        (
            "on = \"signal\"\ndo = [{ drop = true }]",
            "cannot be done to `signal`",
        ),
        (
            "on = \"glink\"\ndo = [{ retval = 1 }]",
            "`retval` cannot be done to `glink`",
        ),
        ("on = \"answer\"\nevery = 0\ndo = [{ drop = true }]", "at least 1"),
        (
            "on = \"answer\"\nchance = 1.5\ndo = [{ drop = true }]",
            "between 0 and 1",
        ),
        (
            "on = \"answer\"\nchance = nan\ndo = [{ drop = true }]",
            "between 0 and 1",
        ),
        ("on = \"answer\"\ndo = [{ duplicate = 0 }]", "between 1 and 1000"),
        (
            "on = \"answer\"\ndo = [{ set = { x = 1 } }]",
            "no `x` under [vars]",
        ),
        ("on = \"answer\"\ndo = [{ smp2p = {} }]", "no bit changes"),
        (
            "on = \"answer\"\ndo = [{ attribute = { number = 0, value = 1 } }]",
            "from 1 to 255",
        ),
        ("on = \"answer\"\ndo = [{ close = \"fastrcp\" }]", "not a channel"),
        (
            "on = \"answer\"\ndo = [{ glink = { command = \"intents\" } }]",
            "needs a `channel` or a `cid`",
        ),
        (
            "on = \"answer\"\ndo = [{ glink = { command = \"open\", cid = 3 } }]",
            "needs a `name`",
        ),
        (
            "on = \"answer\"\ndo = [{ glink = { command = \"10\", cid = 3 } }]",
            "use `raw`",
        ),
        (
            "on = \"answer\"\ndo = [{ poke = { place = \"head\", value = 1 } }]",
            "not a place",
        ),
        (
            "on = \"answer\"\ndo = [{ write = { to = \"fdlist\" } }]",
            "either `bytes` or a `value`",
        ),
        (
            "on = \"answer\"\ndo = [{ write = { to = \"fdlist\", value = 1, width = 3 } }]",
            "1, 2, 4 or 8",
        ),
        (
            "on = \"answer\"\ndo = [{ write = { to = \"iova\", value = 1 } }]",
            "goes with to =",
        ),
        (
            "on = \"answer\"\ndo = [{ write = { to = \"poll\", sid = 1, value = 1 } }]",
            "`sid` goes with",
        ),
        (
            "on = \"start\"\ndo = [{ write = { to = \"poll\", value = 1 } }]",
            "belongs to no call",
        ),
        (
            "on = \"start\"\ndo = [{ write = { to = \"iova\", iova = 1, value = 1 } }]",
            "`sid` is missing",
        ),
        (
            "on = \"answer\"\ndo = [{ write = { to = \"poll\", value = 1, repeat = 100000 } }]",
            "between 1 and",
        ),
        (
            "on = \"answer\"\ndo = [{ retval = \"1 +\" }]",
            "a number or a name is missing",
        ),
        ("on = \"answer\"\nnth = \"5..2\"\ndo = [{ drop = true }]", "empty"),
    ];
    for (body, why) in cases {
        let (line, column, message, _) = rule(body);
        assert!(message.contains(why), "{body}: {message}");
        assert!(line >= 1 && column >= 1, "{body}");
    }
    assert!(wrong("seed = -1").2.contains("not negative"));
    assert!(wrong("history = 2000000").2.contains("at most"));
    assert!(wrong("[vars]\nctx = 1").2.contains("a field of events"));
    assert!(wrong("[vars]\n\"a-b\" = 1").2.contains("a variable's name"));
    let rpm = "platform = \"rpm\"\n[[rule]]\n";
    assert!(
        wrong(&format!("{rpm}on = \"smp2p\"\ndo = [{{ drop = true }}]"))
            .2
            .contains("rpm platform")
    );
    assert!(
        wrong(&format!("{rpm}on = \"answer\"\ndo = [{{ watchdog = true }}]"))
            .2
            .contains("rpm platform")
    );
}

#[test]
fn machines_that_do_not_fit_are_refused() {
    let scenario = |text| Scenario::parse(text, "dir/late.toml").unwrap();
    let board = scenario("platform = \"board\"\ndsps = [\"cdsp\"]");
    assert_eq!(board.name(), "late");
    assert!(board.is_for("cdsp") && !board.is_for("adsp"));
    let error = board.check_machine(&["cdsp"], false).unwrap_err().to_string();
    assert_eq!(
        error,
        "the scenario late needs the board platform: --platform board"
    );
    assert!(board.check_machine(&["cdsp"], true).is_ok());
    assert!(
        board
            .check_machine(&["adsp"], true)
            .unwrap_err()
            .to_string()
            .contains("does not have")
    );
    let rpm = scenario("platform = \"rpm\"");
    assert!(rpm.check_machine(&[], true).is_err() && rpm.check_machine(&[], false).is_ok());
    let rule = scenario("[[rule]]\non = \"start\"\ndsp = \"gdsp0\"\ndo = [{ drop = true }]");
    assert!(rule.check_machine(&["cdsp"], false).is_err());
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The scenarios of the library.
fn library() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for directory in ["board", "fastrpc"] {
        for entry in std::fs::read_dir(repository().join("scenarios").join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found.sort();
    found
}

#[test]
fn the_library_is_valid_and_says_what_it_is_for() {
    let library = library();
    assert!(library.len() > 25, "{}", library.len());
    for (path, text) in &library {
        let scenario = Scenario::load(path).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            scenario.description().len() > 30,
            "{} says too little",
            path.display()
        );
        let board = path.components().any(|part| part.as_os_str() == "board");
        let needs = board.then_some(file::Needs::Board);
        assert!(scenario.platform() == needs || !board, "{}", path.display());
        assert!(text.starts_with('#'), "{} has no comment", path.display());
        let valid = schema::check(&schema::generated(), &as_json(text));
        assert_eq!(valid, Ok(()), "{}", path.display());
    }
}

#[test]
fn examples_of_the_documentation_are_valid() {
    let text = std::fs::read_to_string(repository().join("docs/scenarios.md")).unwrap();
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() > 5);
    for block in blocks {
        Scenario::parse(block, "scenarios.md").unwrap_or_else(|error| panic!("{block}\n{error}"));
        assert_eq!(
            schema::check(&schema::generated(), &as_json(block)),
            Ok(()),
            "{block}"
        );
    }
}

#[test]
fn the_documentation_names_every_key() {
    let text = std::fs::read_to_string(repository().join("docs/scenarios.md")).unwrap();
    let schema = schema::generated();
    for definition in ["Rule", "Act"] {
        for key in schema["$defs"][definition]["properties"]
            .as_object()
            .unwrap()
            .keys()
        {
            assert!(
                text.contains(&format!("`{key}`")),
                "{definition}.{key} is not in docs/scenarios.md"
            );
        }
    }
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap()
}

/// `UPDATE_SCHEMA=1 cargo test -p emu schema` writes the file.
#[test]
fn the_schema_in_docs_is_that_of_the_parser() {
    let path = repository().join("docs/scenario.schema.json");
    let wanted = serde_json::to_string_pretty(&schema::generated()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == wanted,
        "docs/scenario.schema.json is old: run with UPDATE_SCHEMA=1"
    );
}

#[test]
fn schema_and_parser_refuse_the_same() {
    let schema = schema::generated();
    let good = json!({"rule": [{"on": "answer", "handle": 3, "nth": [1, "3..5"], "do": [{"delay": "5ms"}]}]});
    let both = |value: &Value| {
        let text = toml::to_string(value).unwrap();
        (
            schema::check(&schema, value).is_ok(),
            Scenario::parse(&text, "x").is_ok(),
        )
    };
    assert_eq!(both(&good), (true, true));
    // Each of these is a mistake of structure, which both must find.
    let spoilt = [
        ("/rule/0/on", json!("nothing")),
        ("/rule/0/on", json!(3)),
        ("/rule/0/handle", json!({"a": 1})),
        ("/rule/0/handle", json!(1.5)),
        ("/rule/0/nth", json!([])),
        ("/rule/0/do", json!({"drop": true})),
        ("/rule/0/do/0", json!({"drop": 1})),
        ("/rule/0/do/0", json!({"dorp": true})),
        ("/rule/0/do/0", json!({"delay": 5})),
        ("/rule/0/do/0", json!({"write": {"value": 1}})),
        ("/rule/0/do/0", json!({"patch": {"at": -1, "bytes": "00"}})),
        (
            "/rule/0/do/0",
            json!({"release": {"name": "x", "order": "alphabetical"}}),
        ),
        ("/rule/0", json!({"handle": 3, "do": []})),
        ("/rule/0", json!("x")),
        ("/rule", json!(3)),
    ];
    for (at, value) in spoilt {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap() = value.clone();
        assert_eq!(both(&bad), (false, false), "{at} = {value}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_scenario_or_an_error(text in "\\PC{0,200}") {
        let _ = Scenario::parse(&text, "x");
    }

    #[test]
    fn any_damage_is_survived(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
                              length in 0usize..20, put in "[\\[\\]{}=\"a-z0-9.\n -]{0,8}") {
        let library = library();
        let text = &which.get(&library).1;
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        let end = (at + length).min(chars.len());
        chars.splice(at..end, put.chars());
        let damaged: String = chars.into_iter().collect();
        if let Err(error) = Scenario::parse(&damaged, "x") {
            let ScenarioError::Wrong { line, column, .. } = &error else { panic!("{error}") };
            prop_assert!(*line >= 1 && *line <= damaged.matches('\n').count() + 1 && *column >= 1);
        }
    }
}

/// The JSON schema, and as much of a validator as it needs.
mod schema {
    use super::*;

    pub fn generated() -> Value {
        let mut schema = serde_json::to_value(schemars::schema_for!(file::File)).unwrap();
        schema["title"] = json!("Scenario of vhost-hexagon");
        schema
    }

    pub fn check(schema: &Value, value: &Value) -> Result<(), String> {
        node(schema, schema, value, "")
    }

    fn node(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let Some(keywords) = schema.as_object() else {
            return Ok(());
        };
        for (keyword, want) in keywords {
            keyword_holds(root, keywords, keyword, want, value, at)?;
        }
        Ok(())
    }

    fn keyword_holds(
        root: &Value,
        all: &serde_json::Map<String, Value>,
        keyword: &str,
        want: &Value,
        value: &Value,
        at: &str,
    ) -> Result<(), String> {
        let fail = |why: String| Err(format!("{at}: {why}"));
        match keyword {
            "$ref" => {
                let path = want.as_str().unwrap().strip_prefix('#').unwrap();
                return node(root, root.pointer(path).unwrap(), value, at);
            }
            "type" => {
                let one = [want.clone()];
                let names = want.as_array().map_or(&one[..], Vec::as_slice);
                let is = |name: &Value| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                };
                if !names.iter().any(is) {
                    return fail(format!("{value} is no {want}"));
                }
            }
            "anyOf" | "oneOf" => {
                let options = want.as_array().unwrap();
                if !options.iter().any(|option| node(root, option, value, at).is_ok()) {
                    return fail(format!("{value} fits nothing"));
                }
            }
            "enum" if !want.as_array().unwrap().contains(value) => {
                return fail(format!("{value} is none of {want}"));
            }
            "const" if want != value => return fail(format!("{value} is not {want}")),
            "minimum" if value.as_f64().is_some_and(|n| n < want.as_f64().unwrap()) => {
                return fail(format!("{value} is too small"));
            }
            "maximum" if value.as_f64().is_some_and(|n| n > want.as_f64().unwrap()) => {
                return fail(format!("{value} is too large"));
            }
            "minItems"
                if value
                    .as_array()
                    .is_some_and(|list| (list.len() as u64) < want.as_u64().unwrap()) =>
            {
                return fail("too few".into());
            }
            "required" if value.is_object() => {
                for key in want.as_array().unwrap() {
                    if value.get(key.as_str().unwrap()).is_none() {
                        return fail(format!("{key} is missing"));
                    }
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    node(root, want, item, &format!("{at}/{i}"))?;
                }
            }
            "properties" | "additionalProperties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    let known = all.get("properties").and_then(|properties| properties.get(key));
                    match (keyword, known) {
                        ("properties", Some(schema)) => node(root, schema, item, &format!("{at}/{key}"))?,
                        ("additionalProperties", None) if *want == json!(false) => {
                            return fail(format!("{key} is unknown"));
                        }
                        ("additionalProperties", None) => node(root, want, item, &format!("{at}/{key}"))?,
                        _ => {}
                    }
                }
            }
            "enum" | "const" | "minimum" | "maximum" | "minItems" | "required" | "description"
            | "default" | "format" | "title" | "$schema" | "$defs" => {}
            other => panic!("the validator does not know {other}"),
        }
        Ok(())
    }
}
