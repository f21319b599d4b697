//! The services as a driver and a library see them: messages in, answers out, over the local AP.

mod control;
mod hostile;
mod queues;
mod skeletons;
mod support;
mod tunnel;
