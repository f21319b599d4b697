//! Fuzzing a driver from both sides: random misbehaviour of the DSP against random user programs, from one seed.
//!
//! A [`Plan`] is a list of scenario rules ([`rules`]) and of processes of a `vh-drive` script ([`script`]); its text is a case
//! like any other, so whatever a run finds is a file that `vhost-hexagon ci` plays again and `minimize` shrinks. Runs that showed
//! something new ([`coverage`]: messages in protocol states) become parents of later ones ([`corpus`]).
//! Whoever plays the cases is not known here.

pub mod corpus;
pub mod coverage;
pub mod dice;
pub mod findings;
pub mod plan;
pub mod rules;
pub mod script;

pub use corpus::Corpus;
pub use coverage::Coverage;
pub use dice::Dice;
pub use findings::Findings;
pub use plan::{Ground, Plan};
