//! The language and its errors; the engine on a played stream of events.

mod cases;
mod language;
mod played;
