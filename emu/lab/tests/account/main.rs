//! The account over sessions that the test plays: honest ones are clean, and each kind of finding is found, with its
//! history, where it should be and nowhere else.

mod hostile;
mod mappings;
mod play;
mod qda;
mod sessions;
