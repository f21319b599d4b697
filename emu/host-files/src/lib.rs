//! Files, folders and sockets that the program makes on the host: nothing that it did not make is overwritten, removed or left open
//! to other users, whatever the umask is.
#![forbid(unsafe_code)]

pub mod folder;
pub mod output;
pub mod socket;
