//! Open, invoke and close: from the request to the call of the skeleton's function and back to the answer.
//!
//! A *worker* is a DSP thread that serves one AP thread (calls of one AP thread keep their order, different ones run
//! concurrently) or opens and closes modules. Opens load one at a time, as under a loader lock, until their
//! initialisers have run. A close waits for the calls that are under way in its handle.
//!
//! State: [`job`], [`handles`], [`loading`], [`workers`]. What is done with it: [`opening`] (from a URI to a library in
//! memory), [`serving`] (what a worker does), [`ending`] (what runs before libraries go).

pub mod arguments;
pub mod ending;
pub mod handles;
pub mod job;
pub mod loading;
pub mod opening;
pub mod queues;
pub mod serving;
pub mod workers;
