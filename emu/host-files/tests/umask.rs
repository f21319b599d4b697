//! What is made is the owner's alone with every umask. The umask belongs to the whole process, so this is a file of its own and one test.

use host_files::folder;
use host_files::socket::Listening;
use rustix::fs::Mode;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn folders_and_sockets_are_their_owners_with_every_umask() {
    for umask in [0, 0o002, 0o022, 0o077, 0o177, 0o777] {
        rustix::process::umask(Mode::from_raw_mode(umask));
        let working = folder::working().unwrap();
        assert_eq!(mode(working.path()), 0o700, "umask {umask:03o}");
        let path = working.path().join("socket");
        let socket = Listening::at(&path).unwrap();
        assert_eq!(mode(&path), 0o600, "umask {umask:03o}");
        UnixStream::connect(socket.path()).unwrap();
    }
}
