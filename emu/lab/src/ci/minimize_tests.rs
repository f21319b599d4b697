use super::*;

const TEXT: &str = r#"# What this is about.
name = "many"

[vars]
x = 1
y = 2

[[rule]]
name = "nothing"
on = "answer"
do = [{ delay = "1ms" }]

# The one that matters.
[[rule]]
name = "bad"   # here
on = "answer"
do = [{ set = { x = "x + 1" } }, { duplicate = 40 }, { delay = "2s" }]

[[rule]]
name = "other"
on = "request"
do = [{ delay = "1ms" }]

[workload]
# the program
run = """
vh-calc --repeat 50
echo one
vh-invoke bench 2
echo two
"""

[expect]
fired = { "nothing" = "1..", "bad" = "1.." }
"#;

/// Fails as long as an answer is given at least 3 times more and the program has vh-invoke in it.
fn defect(text: &str) -> bool {
    let value: toml::Value = toml::from_str(text).unwrap();
    let duplicates = |rule: &toml::Value| {
        let list = rule
            .get("do")
            .and_then(toml::Value::as_array)
            .cloned()
            .unwrap_or_default();
        list.iter()
            .filter_map(|act| act.get("duplicate")?.as_integer())
            .any(|n| n >= 3)
    };
    let rules = value
        .get("rule")
        .and_then(toml::Value::as_array)
        .cloned()
        .unwrap_or_default();
    rules.iter().any(duplicates) && value["workload"]["run"].as_str().unwrap().contains("vh-invoke")
}

#[test]
fn only_what_the_failure_needs_is_left_with_its_comments() {
    let mut runs = 0;
    let shortest = minimize(TEXT, &mut |text, what| {
        runs += 1;
        assert!(what.starts_with("with"), "{what}");
        if defect(text) { Trial::Fails } else { Trial::Passes }
    })
    .unwrap();
    assert!(defect(&shortest));
    assert_eq!(size(TEXT), (3, 5, 4));
    assert_eq!(size(&shortest), (1, 1, 1), "{shortest}");
    for kept in [
        "# What this is about.",
        "# The one that matters.",
        "name = \"bad\"   # here",
        "# the program",
        "duplicate = 4",
    ] {
        assert!(shortest.contains(kept), "{kept} is not in:\n{shortest}");
    }
    for gone in ["nothing", "[vars]", "echo", "delay", "\"other\""] {
        assert!(!shortest.contains(gone), "{gone} is in:\n{shortest}");
    }
    Case::parse(&shortest, "x").unwrap_or_else(|error| panic!("{error}"));
    assert!(runs < 60, "{runs} runs");
}

#[test]
fn times_and_numbers_of_the_program_become_smaller() {
    let text =
        "[[rule]]\non = \"answer\"\ndo = [{ delay = \"2s\" }]\n[workload]\nrun = \"vh-calc --repeat 64\"\n";
    let shortest = minimize(text, &mut |text, _| {
        let case = Case::parse(text, "x").unwrap();
        let crate::scenario::Program::Shell(program) = &case.program else {
            panic!()
        };
        let repeat: u32 = program.split_whitespace().last().unwrap().parse().unwrap_or(0);
        let fails = text.contains("delay") && program.contains("vh-calc") && repeat >= 5;
        if fails { Trial::Fails } else { Trial::Passes }
    })
    .unwrap();
    assert!(shortest.contains("delay = \"1ms\""), "{shortest}");
    assert!(shortest.contains("--repeat 6"), "{shortest}");
}

#[test]
fn it_ends_when_there_are_to_be_no_more_trials() {
    let mut left = 3;
    let text = minimize(TEXT, &mut |_, _| {
        left -= 1;
        if left < 0 { Trial::Enough } else { Trial::Passes }
    })
    .unwrap();
    assert_eq!((text.as_str(), left), (TEXT, -1));
}

proptest::proptest! {
    #[test]
    fn any_defect_is_kept_and_it_always_ends(bits in 0u32..4096) {
        // A failure that depends on an arbitrary set of lines.
        let words = ["nothing", "bad", "other", "duplicate", "vh-calc", "echo one", "vh-invoke", "echo two", "2s", "x + 1", "y = 2", "1ms"];
        let needed: Vec<&str> = words.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0).map(|(_, w)| *w).collect();
        let fails = |text: &str| needed.iter().all(|word| text.contains(word));
        let mut runs = 0;
        let shortest = minimize(TEXT, &mut |text, _| {
            runs += 1;
            if fails(text) { Trial::Fails } else { Trial::Passes }
        }).unwrap();
        proptest::prop_assert!(fails(&shortest) && runs < 300, "{} runs", runs);
        proptest::prop_assert!(Case::parse(&shortest, "x").is_ok() );
    }
}
