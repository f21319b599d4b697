//! A program that uses the library by its C functions, with skeletons that the emulator carries.

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::OnceLock;

// Linked in, so that its functions are found.
use cdsprpc as _;

#[repr(C)]
#[derive(Clone, Copy)]
struct Buffer {
    at: *mut c_void,
    len: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct QueueBuffer {
    fd: u32,
    size: u32,
    offset: u32,
    flags: u32,
    address: u64,
}

unsafe extern "C" {
    fn remote_session_control(request: u32, data: *mut c_void, length: u32) -> c_int;
    fn remote_handle_control(request: u32, data: *mut c_void, length: u32) -> c_int;
    fn remote_handle64_open(name: *const c_char, handle: *mut u64) -> c_int;
    fn remote_handle64_invoke(handle: u64, sc: u32, args: *const Buffer) -> c_int;
    fn remote_handle64_close(handle: u64) -> c_int;
    fn remote_handle64_control(handle: u64, request: u32, data: *mut c_void, length: u32) -> c_int;
    fn rpcmem_alloc2(heap: c_int, flags: u32, size: usize) -> *mut c_void;
    fn rpcmem_free(at: *mut c_void);
    fn rpcmem_to_fd(at: *mut c_void) -> c_int;
    fn fastrpc_mmap(
        domain: c_int,
        fd: c_int,
        at: *mut c_void,
        offset: c_int,
        len: usize,
        flags: c_int,
    ) -> c_int;
    fn fastrpc_munmap(domain: c_int, fd: c_int, at: *mut c_void, len: usize) -> c_int;
    fn dspqueue_create(
        domain: c_int,
        flags: u32,
        requests: u32,
        responses: u32,
        packets: *const c_void,
        errors: *const c_void,
        context: *mut c_void,
        queue: *mut *mut c_void,
    ) -> c_int;
    fn dspqueue_export(queue: *mut c_void, id: *mut u64) -> c_int;
    fn dspqueue_close(queue: *mut c_void) -> c_int;
    fn dspqueue_write(
        queue: *mut c_void,
        flags: u32,
        count: u32,
        buffers: *const QueueBuffer,
        length: u32,
        message: *const u8,
        timeout: u32,
    ) -> c_int;
    fn dspqueue_read(
        queue: *mut c_void,
        flags: *mut u32,
        max_count: u32,
        count: *mut u32,
        buffers: *mut QueueBuffer,
        max_length: u32,
        length: *mut u32,
        message: *mut u8,
        timeout: u32,
    ) -> c_int;
}

const CDSP: c_int = 3;
const UNSUPPORTED: c_int = 0x14;
const BAD_PARM: c_int = 0xe;
const BAD_FD: c_int = 0x4f;
const NO_SUCH_MAP: c_int = 0x48;
const EXPIRED: c_int = 0xc;
const WOULD_BLOCK: c_int = 516;
const HEAP: c_int = 25;
const MAP_FD: c_int = 2;

const fn sc(method: u32, ins: u32, outs: u32) -> u32 {
    method << 24 | ins << 16 | outs << 8
}

fn buffer<T>(value: &mut [T]) -> Buffer {
    let len = size_of_val(value);
    let at = value.as_mut_ptr().cast();
    Buffer { at, len }
}

/// Writes the skeletons out, once, and says where they are.
fn setup() {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let skeletons = emu_assets::folder("skel").map(|(_, asset)| asset);
        emu_assets::extract(skeletons, folder.path(), host_files::output::Existing::Overwrite).unwrap();
        // SAFETY: the tests of this program wait here, and nothing else runs yet
        unsafe { std::env::set_var("ADSP_LIBRARY_PATH", folder.path().join("skel")) };
        folder
    });
}

/// In the program's first session on the compute DSP.
fn open(name: &str) -> Result<u64, c_int> {
    open_in(name, "cdsp")
}

/// `place`: a DSP's name, and what is to stand behind it in the URI.
fn open_in(name: &str, place: &str) -> Result<u64, c_int> {
    setup();
    let uri = format!("file:///lib{name}_skel.so?{name}_skel_handle_invoke&_modver=1.0&_dom={place}");
    let uri = CString::new(uri).unwrap();
    let mut handle = 0;
    // SAFETY: a C string and room for the handle
    match unsafe { remote_handle64_open(uri.as_ptr(), &raw mut handle) } {
        0 => Ok(handle),
        code => Err(code),
    }
}

#[test]
fn a_sum_of_plain_and_of_shared_memory() {
    let handle = open("calculator").unwrap();
    let mut count = [1000u32];
    let mut sum = [0i64];
    let mut plain: Vec<i32> = (0..1000).collect();
    let args = [buffer(&mut count), buffer(&mut plain), buffer(&mut sum)];
    // SAFETY: three buffers, as the scalars say
    let code = unsafe { remote_handle64_invoke(handle, sc(2, 2, 1), args.as_ptr()) };
    assert_eq!(code, 0);
    assert_eq!(sum, [499_500]);
    // SAFETY: memory of the library, as long as is asked for, and freed once
    unsafe {
        let shared = rpcmem_alloc2(HEAP, 1, 4096).cast::<i32>();
        assert!(!shared.is_null());
        for n in 0..1000 {
            shared.add(n).write(2 * n as i32);
        }
        let at = shared.cast();
        let args = [args[0], Buffer { at, len: 4000 }, args[2]];
        assert_eq!(remote_handle64_invoke(handle, sc(2, 2, 1), args.as_ptr()), 0);
        rpcmem_free(at);
        assert_eq!(rpcmem_to_fd(at), -1);
    }
    assert_eq!(sum, [999_000]);
    // SAFETY: no arguments, and none
    unsafe {
        assert_ne!(remote_handle64_invoke(handle, sc(30, 0, 0), std::ptr::null()), 0);
        assert_eq!(
            remote_handle64_invoke(handle, sc(2, 2, 1), std::ptr::null()),
            BAD_PARM
        );
        assert_eq!(remote_handle64_close(handle), 0);
        assert_ne!(remote_handle64_close(handle), 0);
    }
    assert!(open("nobody").is_err());
}

#[test]
fn what_is_not_there_is_refused() {
    setup();
    let name = c"file:///libcalculator_skel.so?calculator_skel_handle_invoke&_modver=1.0&_dom=mdsp";
    let mut handle = 0;
    // SAFETY: C strings, and data of the requests' lengths
    unsafe {
        assert_eq!(remote_handle64_open(name.as_ptr(), &raw mut handle), UNSUPPORTED);
        let mut unsigned = [CDSP, 1];
        let data = unsigned.as_mut_ptr().cast();
        assert_eq!(remote_session_control(2, data, 8), 0);
        assert_eq!(remote_session_control(2, data, 4), BAD_PARM);
        // A request of no such length; a signed process; a DSP that this chip has not, and one that none has.
        assert_eq!(remote_session_control(13, data, 8), BAD_PARM);
        assert_eq!(remote_session_control(99, data, 8), UNSUPPORTED);
        let mut signed = [CDSP, 0];
        assert_eq!(
            remote_session_control(2, signed.as_mut_ptr().cast(), 8),
            UNSUPPORTED
        );
        let mut other = [1, 1];
        assert_eq!(
            remote_session_control(2, other.as_mut_ptr().cast(), 8),
            UNSUPPORTED
        );
        other[0] = 7;
        assert_eq!(remote_session_control(2, other.as_mut_ptr().cast(), 8), BAD_PARM);
        // ARCH_VER of the default profile.
        let mut capability = [CDSP, 6, 0];
        assert_eq!(remote_handle_control(2, capability.as_mut_ptr().cast(), 12), 0);
        assert_eq!(capability[2] & 0xff, 0x68);
        assert_eq!(
            remote_handle_control(9, capability.as_mut_ptr().cast(), 12),
            UNSUPPORTED
        );
        assert_eq!(
            fastrpc_mmap(CDSP, 77, std::ptr::null_mut(), 0, 4096, MAP_FD),
            BAD_FD
        );
        let at = rpcmem_alloc2(HEAP, 1, 4096);
        let fd = rpcmem_to_fd(at);
        assert_eq!(fastrpc_mmap(CDSP, fd, at, 0, 4096, 0), UNSUPPORTED);
        assert_eq!(fastrpc_mmap(CDSP, fd, at, 0, 8192, MAP_FD), BAD_PARM);
        assert_eq!(fastrpc_munmap(CDSP, fd, at, 4096), NO_SUCH_MAP);
        assert_eq!(fastrpc_mmap(CDSP, fd, at, 0, 4096, MAP_FD), 0);
        assert_eq!(fastrpc_munmap(CDSP, fd, at, 4096), 0);
        rpcmem_free(at);
        let mut queue = std::ptr::null_mut();
        let callback = name.as_ptr().cast();
        let (none, context) = (std::ptr::null(), std::ptr::null_mut());
        assert_eq!(
            dspqueue_create(CDSP, 0, 4096, 4096, callback, none, context, &raw mut queue),
            UNSUPPORTED
        );
    }
}

/// `struct remote_rpc_reserve_new_session`.
#[repr(C)]
struct NewSession {
    domain: *const c_char,
    domain_length: u32,
    name: *const c_char,
    name_length: u32,
    effective: c_int,
    session: u32,
}

fn new_session(domain: &std::ffi::CStr) -> Result<(c_int, u32), c_int> {
    setup();
    let mut asked = NewSession {
        domain: domain.as_ptr(),
        domain_length: domain.count_bytes() as u32,
        name: c"mine".as_ptr(),
        name_length: 4,
        effective: -1,
        session: 99,
    };
    let length = size_of::<NewSession>() as u32;
    // SAFETY: data of this length, with texts of the lengths in it
    match unsafe { remote_session_control(13, (&raw mut asked).cast(), length) } {
        0 => Ok((asked.effective, asked.session)),
        code => Err(code),
    }
}

fn sum_of_two(handle: u64) -> Result<i64, c_int> {
    let (mut count, mut numbers, mut sum) = ([2u32], [40i32, 2], [0i64]);
    let args = [buffer(&mut count), buffer(&mut numbers), buffer(&mut sum)];
    // SAFETY: three buffers, as the scalars say
    match unsafe { remote_handle64_invoke(handle, sc(2, 2, 1), args.as_ptr()) } {
        0 => Ok(sum[0]),
        code => Err(code),
    }
}

#[test]
fn a_program_has_several_sessions_on_several_dsps() {
    let first = open("calculator").unwrap();
    assert_eq!(new_session(c"adsp"), Ok((8, 1)));
    assert_eq!(new_session(c"adsp"), Ok((16, 2)));
    assert_eq!(new_session(c"adsp"), Ok((24, 3)));
    let none = rpmsg::Aee::NO_SESSION.on_ap().cast_signed();
    assert_eq!(new_session(c"adsp"), Err(none));
    assert_eq!(new_session(c"mdsp"), Err(UNSUPPORTED));
    assert_eq!(new_session(c"toaster"), Err(BAD_PARM));
    let [one, two] =
        [1, 2].map(|session| open_in("calculator", &format!("adsp&_session={session}")).unwrap());
    assert!(first != one && one != two);
    assert_eq!((sum_of_two(one), sum_of_two(two)), (Ok(42), Ok(42)));
    // SAFETY: handles of the library; memory of the library, freed once
    unsafe {
        let mut domain = [0u32];
        let data = domain.as_mut_ptr().cast();
        assert_eq!(remote_handle64_control(two, 4, data, 4), 0);
        assert_eq!(domain, [16]);
        // In both processes, and for another DSP's.
        let at = rpcmem_alloc2(HEAP, 1, 4096);
        let fd = rpcmem_to_fd(at);
        for session in [CDSP, 8, 16] {
            assert_eq!(fastrpc_mmap(session, fd, at, 0, 4096, MAP_FD), 0, "{session}");
        }
        assert_eq!(fastrpc_munmap(8, fd, at, 4096), 0);
        assert_eq!(fastrpc_munmap(8, fd, at, 4096), NO_SUCH_MAP);
        assert_eq!(fastrpc_munmap(24, fd, at, 4096), NO_SUCH_MAP);
        assert_eq!(fastrpc_munmap(16, fd, at, 4096), 0);
        // Still mapped on one.
        rpcmem_free(at);
        assert_eq!(remote_handle64_close(one), 0);
    }
    assert!(sum_of_two(one).is_err());
    assert_eq!((sum_of_two(two), sum_of_two(first)), (Ok(42), Ok(42)));
    for nobody in [0, u64::MAX, one & 0xffff_ffff, 8 << 32 | one & 0xffff_ffff] {
        assert!(sum_of_two(nobody).is_err(), "{nobody:#x}");
    }
}

fn misbehave(handle: u64, method: u32, x: u32) -> c_int {
    let (mut x, mut result) = ([x], [0u32]);
    let args = [buffer(&mut x), buffer(&mut result)];
    // SAFETY: two buffers, as the scalars say
    unsafe { remote_handle64_invoke(handle, sc(method, 1, 1), args.as_ptr()) }
}

/// On the compute DSP, whose sessions beside the first no other test has.
#[test]
fn threads_that_reserve_at_once_get_sessions_of_their_own_and_one_that_crashes_leaves_the_others() {
    let start = std::sync::Barrier::new(8);
    let mut reserved: Vec<_> = std::thread::scope(|scope| {
        let threads = [(); 8].map(|()| {
            scope.spawn(|| {
                start.wait();
                new_session(c"cdsp")
            })
        });
        threads.map(|thread| thread.join().unwrap()).into()
    });
    reserved.sort_unstable();
    let none = Err(rpmsg::Aee::NO_SESSION.on_ap().cast_signed());
    let sessions = [Ok((11, 1)), Ok((19, 2)), Ok((27, 3))];
    assert_eq!(reserved, [&sessions[..], &[none; 5]].concat());

    let [one, two] = [1, 2].map(|session| open_in("misbehave", &format!("cdsp&_session={session}")).unwrap());
    // Method 17 gives back what it is given, 3 writes to a null pointer.
    assert_eq!((misbehave(one, 17, 5), misbehave(two, 17, 6)), (5, 6));
    let gone = misbehave(one, 3, 1);
    assert!(![0, 5].contains(&gone), "{gone}");
    assert!(![0, 5].contains(&misbehave(one, 17, 5)));
    assert_eq!(misbehave(two, 17, 7), 7);
}

#[test]
fn packets_there_and_back() {
    let handle = open("packets").unwrap();
    // SAFETY: room for everything that is asked for, of the lengths that are given
    unsafe {
        let at = rpcmem_alloc2(HEAP, 1, 4096);
        let fd = rpcmem_to_fd(at);
        let (mut queue, mut id) = (std::ptr::null_mut(), [0u64]);
        let none = std::ptr::null();
        assert_eq!(
            dspqueue_create(
                CDSP,
                0,
                65536,
                65536,
                none,
                none,
                std::ptr::null_mut(),
                &raw mut queue
            ),
            0
        );
        assert_eq!(dspqueue_export(queue, id.as_mut_ptr()), 0);
        let args = [buffer(&mut id)];
        assert_eq!(remote_handle64_invoke(handle, sc(2, 1, 0), args.as_ptr()), 0);
        let part = QueueBuffer {
            fd: fd.cast_unsigned(),
            size: 64,
            offset: 128,
            flags: 4,
            address: 0,
        };
        let message = [7u8; 10];
        let write = || dspqueue_write(queue, 0, 1, &raw const part, 10, message.as_ptr(), 1_000_000);
        assert_eq!(write(), NO_SUCH_MAP, "nothing is mapped yet");
        assert_eq!(fastrpc_mmap(CDSP, fd, at, 0, 4096, MAP_FD), 0);
        assert_eq!(write(), 0);
        let (mut flags, mut count, mut length) = (0, 0, 0);
        let mut back = [QueueBuffer::default(); 2];
        let mut text = [0u8; 16];
        let mut read = |room: u32, timeout: u32| {
            dspqueue_read(
                queue,
                &raw mut flags,
                2,
                &raw mut count,
                back.as_mut_ptr(),
                room,
                &raw mut length,
                text.as_mut_ptr(),
                timeout,
            )
        };
        assert_eq!(read(9, 60_000_000), BAD_PARM, "it stays in the queue");
        assert_eq!(read(16, 60_000_000), 0);
        assert_eq!(read(16, 0), WOULD_BLOCK);
        assert_eq!(read(16, 1000), EXPIRED);
        assert_eq!((count, length, flags & 3), (1, 10, 3));
        // The skeleton adds one to the first bytes.
        assert_eq!(text[..11], [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 0]);
        assert_eq!(
            (back[0].size, back[0].offset, back[0].address),
            (64, 128, at as u64 + 128)
        );
        // Its method closes the queue.
        let mut counts = [0u32; 2];
        let args = [buffer(&mut counts)];
        assert_eq!(remote_handle64_invoke(handle, sc(3, 0, 1), args.as_ptr()), 0);
        assert_eq!(counts, [1, 0]);
        assert_eq!(dspqueue_close(queue), 0);
        assert_eq!(fastrpc_munmap(CDSP, fd, at, 4096), 0);
        rpcmem_free(at);
        assert_eq!(remote_handle64_close(handle), 0);
    }
}
