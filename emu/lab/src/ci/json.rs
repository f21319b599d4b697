//! The result as JSON, for programs.

use super::report::Command;
use super::runner::Played;
use serde_json::{Value, json};

/// The whole document.
#[must_use]
pub fn value(all: &[Played], kernel: Option<&str>, command: &Command) -> Value {
    json!({
        "kernel": kernel,
        "cases": all.iter().map(|played| case(played, command)).collect::<Vec<_>>(),
    })
}

fn case(played: &Played, command: &Command) -> Value {
    let mut value = json!({
        "suite": played.entry.suite,
        "name": played.entry.name(),
        "platform": played.platform.to_string(),
        "seed": played.seed,
        "verdict": played.verdict,
        "reasons": played.reasons,
        "seconds": played.took.as_secs_f64(),
        "command": command.repeat(played),
    });
    if let (Some(seen), Some(object)) = (&played.seen, value.as_object_mut()) {
        let fired: serde_json::Map<_, _> = seen
            .fired
            .iter()
            .map(|(rule, times)| (rule.clone(), json!(times)))
            .collect();
        object.insert("exit".into(), json!(seen.exit));
        object.insert(
            "seconds_to_program".into(),
            json!(seen.times.0.map(|t| t.as_secs_f64())),
        );
        object.insert("output".into(), json!(seen.output));
        object.insert("complaints".into(), json!(seen.complaints));
        object.insert("fired".into(), Value::Object(fired));
        object.insert("dsp_crashes".into(), json!(seen.dsp_crashes));
        object.insert("account".into(), json!(seen.accounts));
        if let Some(why) = &seen.no_dump {
            object.insert("no_task_dump".into(), json!(why));
        }
        if let Some(dump) = &seen.dump {
            object.insert("task_dump".into(), json!(dump));
        }
    }
    value
}
