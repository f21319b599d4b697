//! Playing a recorded run again: its DSP's half to a live guest ([`live`]), or its AP's half to this program's DSP ([`dsp`]).

pub mod dsp;
pub mod live;
mod printed;
pub mod recording;

pub use live::{Outcome, Player};
pub use recording::{Recording, RecordingError};
