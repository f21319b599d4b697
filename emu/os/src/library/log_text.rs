//! Text for the log: what goes to the standard output and the standard error, line by line.

use crate::ap::LogRecord;
use crate::kernel::call::Call;

/// A line is handed on at this length even without a newline.
const LINE: usize = 1024;

/// Adds to the process's standard output; complete lines go to the log.
pub(super) fn emit(c: &mut Call<'_>, bytes: &[u8]) {
    for &b in bytes {
        if b != b'\n' {
            c.os.lib.line.push(b);
        }
        if b == b'\n' || c.os.lib.line.len() >= LINE {
            let line = std::mem::take(&mut c.os.lib.line);
            let text = String::from_utf8_lossy(&line).into_owned();
            let record = LogRecord {
                level: 2,
                file: "stdout".into(),
                line: 0,
                thread: c.thread.id,
                text,
            };
            c.os.shared.config.ap.log(record);
        }
    }
}

/// What stands in the incomplete line goes to the log.
pub(super) fn end_line(c: &mut Call<'_>) {
    if !c.os.lib.line.is_empty() {
        emit(c, b"\n");
    }
}
