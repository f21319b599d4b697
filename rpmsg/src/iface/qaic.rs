//! How the IDL compiler lays a method's parameters out in buffers, and the `interface!` macro that describes a method in one place.
//!
//! Source: every stub and skel of qualcomm/fastrpc (`src/*_stub.c`, `src/*_skel.c`). The rules:
//!
//! * all scalar inputs and all lengths of sequences and strings (in and out) stand in parameter order, naturally aligned, in one
//!   block: the first input buffer. Callers may send it longer than needed. Without any of those there is no block.
//! * each input string or sequence is one more input buffer; strings include their NUL in the length;
//! * all scalar outputs stand in the first output buffer (absent if there are none), each output sequence is one more;
//! * a sequence of strings is a buffer of u32 lengths followed by one buffer for each string;
//! * interfaces of the handle64 kind have `open` and `close` as methods 0 and 1, so their own methods start at 2;
//! * a method number of 31 or more is sent as 31 with the real number as the block's first word.

use crate::{
    aee::Aee,
    fastrpc::scalars::Scalars,
    wire::{Reader, Truncated, Writer, wire_len},
};
use std::fmt;

/// The content of one call, whichever way it goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// Method and argument counts.
    pub sc: Scalars,
    /// Bytes of each input buffer, in order.
    pub ins: Vec<Vec<u8>>,
    /// Capacity of each output buffer in bytes, in order.
    pub outs: Vec<u32>,
}

/// Which of the two kinds an interface is served as: it moves the method numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Methods start at 0.
    Plain,
    /// Methods start at 2, after `open` and `close`.
    Handle64,
}

impl Kind {
    const fn first(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Handle64 => 2,
        }
    }
}

/// Why a payload is not the call it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The interface has no such method.
    #[error("no method {0}")]
    UnknownMethod(u32),
    /// Number of input or output buffers or handles differs from the method's, or from the scalars word.
    #[error("{what}: {found} instead of {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// Needed.
        expected: usize,
        /// Found.
        found: usize,
    },
    /// A buffer ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// A length field is larger than the buffer that it describes.
    #[error("a length field says {claimed} bytes, the buffer has {found}")]
    Length {
        /// Claimed size in bytes.
        claimed: u64,
        /// Real size in bytes.
        found: u64,
    },
    /// A string is empty or does not end with NUL.
    #[error("a string without its terminating NUL")]
    NotTerminated,
    /// An output buffer is too small.
    #[error("an output buffer of {found} bytes is too small for {need}")]
    Capacity {
        /// Needed bytes.
        need: u64,
        /// Found bytes.
        found: u64,
    },
    /// A field has a value that the method does not know.
    #[error("{what} cannot be {value:#x}")]
    Value {
        /// Field.
        what: &'static str,
        /// Value found.
        value: u64,
    },
}

impl PayloadError {
    /// What a DSP answers to such a call.
    #[must_use]
    pub const fn aee(&self) -> Aee {
        match self {
            Self::UnknownMethod(_) => Aee::UNSUPPORTED,
            Self::Capacity { .. } => Aee::BUFFER_TOO_SMALL,
            _ => Aee::BAD_PARM,
        }
    }
}

impl Payload {
    /// Method number, looked up in the first input word when the scalars say 31.
    #[must_use]
    pub fn method(&self) -> u32 {
        match self.sc.method() {
            31 => self
                .ins
                .first()
                .and_then(|b| Reader::new(b).u32().ok())
                .unwrap_or(31),
            m => m.into(),
        }
    }

    /// Whether the scalars word agrees with the buffers and names no handles (no interface here takes any).
    ///
    /// # Errors
    /// [`PayloadError::Count`]
    pub fn check_counts(&self) -> Result<(), PayloadError> {
        let count = |what, expected, found| {
            if expected == found {
                Ok(())
            } else {
                Err(PayloadError::Count {
                    what,
                    expected,
                    found,
                })
            }
        };
        count("input buffers", self.sc.in_bufs(), self.ins.len())?;
        count("output buffers", self.sc.out_bufs(), self.outs.len())?;
        count(
            "handles",
            0,
            self.sc.in_handles().saturating_add(self.sc.out_handles()),
        )
    }
}

/// One method of an interface: its input parameters. Implemented by `interface!`.
pub trait Method: Sized {
    /// The method's output parameters; `()` if it has none.
    type Reply: Reply;
    /// Number in the interface, not counting `open` and `close`.
    const INDEX: u32;
    /// Name in the IDL.
    const NAME: &'static str;

    /// The call's payload.
    fn payload(&self, kind: Kind) -> Payload;

    /// Parses the payload of a call whose method number is already known to be this one's.
    ///
    /// # Errors
    /// [`PayloadError`] for anything that a skeleton would refuse.
    fn parse(payload: &Payload, kind: Kind) -> Result<Self, PayloadError>;
}

/// A method's output parameters. Implemented by `interface!`.
pub trait Reply: Sized {
    /// Size in bytes of the block of scalar outputs; 0 if there is none.
    fn block_size() -> u32;

    /// Contents of the output buffers for these capacities. Shorter than a capacity means: the rest is not written.
    ///
    /// # Errors
    /// [`PayloadError::Capacity`] if something does not fit.
    fn encode(&self, capacities: &[u32]) -> Result<Vec<Vec<u8>>, PayloadError>;

    /// Reads output buffers as the caller gets them back.
    ///
    /// # Errors
    /// [`PayloadError`]
    fn parse(outs: &[Vec<u8>]) -> Result<Self, PayloadError>;
}

impl Reply for () {
    fn block_size() -> u32 {
        0
    }
    fn encode(&self, _capacities: &[u32]) -> Result<Vec<Vec<u8>>, PayloadError> {
        Ok(Vec::new())
    }
    fn parse(_outs: &[Vec<u8>]) -> Result<Self, PayloadError> {
        Ok(())
    }
}

// ---- scalar fields ------------------------------------------------------------------------------------------------

/// A field of a block.
pub trait Scalar: Sized {
    /// Size in bytes.
    const SIZE: usize;
    /// Alignment in bytes.
    const ALIGN: usize = Self::SIZE;
    /// Appends the field's bytes, without alignment.
    fn write(&self, w: &mut Writer);
    /// Reads the field's bytes.
    ///
    /// # Errors
    /// [`Truncated`]
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated>;
}

macro_rules! scalar {
    ($($ty:ident)*) => { $(
        impl Scalar for $ty {
            const SIZE: usize = size_of::<$ty>();
            fn write(&self, w: &mut Writer) {
                w.bytes(&self.to_le_bytes());
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
                r.$ty()
            }
        }
    )* };
}
scalar!(u8 u16 u32 i32 u64 i64);

impl Scalar for Aee {
    const SIZE: usize = 4;
    fn write(&self, w: &mut Writer) {
        w.u32(self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        r.u32().map(Aee)
    }
}

// ---- input side ---------------------------------------------------------------------------------------------------

/// Collects a call's buffers.
#[derive(Debug, Default)]
pub struct InWriter {
    block: Writer,
    align: usize,
    bufs: Vec<Vec<u8>>,
    outs: Vec<u32>,
}

impl InWriter {
    fn scalar<T: Scalar>(&mut self, value: &T) {
        self.align = self.align.max(T::ALIGN).max(4);
        self.block.align(T::ALIGN);
        value.write(&mut self.block);
    }

    /// Starts the payload of method `index`.
    #[must_use]
    pub fn new(index: u32, kind: Kind) -> Self {
        let mut new = Self::default();
        let method = index.saturating_add(kind.first());
        if method >= 31 {
            new.scalar(&method);
        }
        new
    }

    /// Puts the collected parts together.
    #[must_use]
    pub fn finish(mut self, index: u32, kind: Kind, reply_block: u32) -> Payload {
        let mut ins = Vec::new();
        if !self.block.is_empty() {
            self.block.align(self.align);
            ins.push(self.block.finish());
        }
        ins.append(&mut self.bufs);
        let mut outs = Vec::new();
        if reply_block != 0 {
            outs.push(reply_block);
        }
        outs.append(&mut self.outs);
        let count = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        let method = u8::try_from(index.saturating_add(kind.first()).min(31)).unwrap_or(31);
        Payload {
            sc: Scalars::new(method, count(ins.len()), count(outs.len())),
            ins,
            outs,
        }
    }
}

/// Takes a call's buffers apart.
#[derive(Debug)]
pub struct InReader<'a> {
    block: Reader<'a>,
    bufs: std::slice::Iter<'a, Vec<u8>>,
    outs: std::slice::Iter<'a, u32>,
}

impl<'a> InReader<'a> {
    /// Starts on a payload. `has_block` says whether the method has any input parameter; `reply_block` is the size of its
    /// scalar outputs.
    ///
    /// # Errors
    /// [`PayloadError`] if the buffers that both imply are not there.
    pub fn new(
        payload: &'a Payload,
        kind: Kind,
        index: u32,
        has_block: bool,
        reply_block: u32,
    ) -> Result<Self, PayloadError> {
        payload.check_counts()?;
        let extended = index.saturating_add(kind.first()) >= 31;
        let mut bufs = payload.ins.iter();
        let mut block = Reader::new(&[]);
        if has_block || extended {
            block = Reader::new(bufs.next().ok_or(PayloadError::Count {
                what: "input buffers",
                expected: 1,
                found: 0,
            })?);
        }
        if extended {
            block.u32()?;
        }
        let mut outs = payload.outs.iter();
        if reply_block != 0 {
            match outs.next() {
                Some(&size) if size >= reply_block => {}
                found => {
                    let found = found.copied().unwrap_or(0).into();
                    return Err(PayloadError::Capacity {
                        need: reply_block.into(),
                        found,
                    });
                }
            }
        }
        Ok(Self { block, bufs, outs })
    }

    fn scalar<T: Scalar>(&mut self) -> Result<T, PayloadError> {
        self.block.align(T::ALIGN)?;
        Ok(T::read(&mut self.block)?)
    }

    /// The next buffer; its first `claimed` bytes.
    fn buffer(&mut self, claimed: u64) -> Result<&'a [u8], PayloadError> {
        let buffer = self.bufs.next().ok_or(PayloadError::Count {
            what: "further input buffers",
            expected: 1,
            found: 0,
        })?;
        let found = buffer.len() as u64;
        usize::try_from(claimed)
            .ok()
            .and_then(|n| buffer.get(..n))
            .ok_or(PayloadError::Length { claimed, found })
    }

    fn out(&mut self, claimed: u64) -> Result<(), PayloadError> {
        let found = self.outs.next().copied().ok_or(PayloadError::Count {
            what: "further output buffers",
            expected: 1,
            found: 0,
        })?;
        if u64::from(found) < claimed {
            return Err(PayloadError::Capacity {
                need: claimed,
                found: found.into(),
            });
        }
        Ok(())
    }

    /// Checks that no buffers are left.
    ///
    /// # Errors
    /// [`PayloadError::Count`]
    pub fn finish(self) -> Result<(), PayloadError> {
        let left = self.bufs.len().saturating_add(self.outs.len());
        if left == 0 {
            Ok(())
        } else {
            Err(PayloadError::Count {
                what: "buffers too many",
                expected: 0,
                found: left,
            })
        }
    }
}

/// An input parameter.
pub trait InParam: Sized {
    /// Appends it.
    fn put(&self, w: &mut InWriter);
    /// Reads it.
    ///
    /// # Errors
    /// [`PayloadError`]
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError>;
}

impl<T: Scalar> InParam for T {
    fn put(&self, w: &mut InWriter) {
        w.scalar(self);
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        r.scalar()
    }
}

/// A string: its bytes without the terminating NUL.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// The bytes up to the first NUL, which is where C code stops.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&b| b == 0).next().unwrap_or(&[])
    }

    /// As text, with replacement characters for what is not UTF-8.
    #[must_use]
    pub fn to_lossy(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }

    fn with_nul(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes.push(0);
        bytes
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_lossy())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

fn terminated(bytes: &[u8]) -> Result<Text, PayloadError> {
    match bytes.split_last() {
        Some((0, text)) => Ok(Text(text.to_vec())),
        _ => Err(PayloadError::NotTerminated),
    }
}

impl InParam for Text {
    fn put(&self, w: &mut InWriter) {
        let bytes = self.with_nul();
        w.scalar(&wire_len(bytes.len()));
        w.bufs.push(bytes);
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let len: u32 = r.scalar()?;
        terminated(r.buffer(len.into())?)
    }
}

/// A sequence of scalars.
impl<T: Scalar> InParam for Vec<T> {
    fn put(&self, w: &mut InWriter) {
        w.scalar(&wire_len(self.len()));
        let mut bytes = Writer::new();
        self.iter().for_each(|v| v.write(&mut bytes));
        w.bufs.push(bytes.finish());
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let count: u32 = r.scalar()?;
        read_sequence(r.buffer(u64::from(count).saturating_mul(T::SIZE as u64))?)
    }
}

fn read_sequence<T: Scalar>(bytes: &[u8]) -> Result<Vec<T>, PayloadError> {
    let mut r = Reader::new(bytes);
    let mut out = Vec::with_capacity(bytes.len().checked_div(T::SIZE).unwrap_or(0));
    while r.remaining() >= T::SIZE && r.remaining() > 0 {
        out.push(T::read(&mut r)?);
    }
    Ok(out)
}

/// A sequence of strings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(pub Vec<Text>);

impl InParam for Texts {
    fn put(&self, w: &mut InWriter) {
        w.scalar(&wire_len(self.0.len()));
        let strings: Vec<Vec<u8>> = self.0.iter().map(Text::with_nul).collect();
        w.bufs.push(
            strings
                .iter()
                .flat_map(|s| wire_len(s.len()).to_le_bytes())
                .collect(),
        );
        w.bufs.extend(strings);
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let count: u32 = r.scalar()?;
        let lens: Vec<u32> = read_sequence(r.buffer(u64::from(count).saturating_mul(4))?)?;
        let texts = lens
            .iter()
            .map(|&len| terminated(r.buffer(len.into())?))
            .collect::<Result<_, _>>()?;
        Ok(Self(texts))
    }
}

/// Capacity of an output sequence, in elements of `ELEM` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cap<const ELEM: u32>(pub u32);

impl<const ELEM: u32> InParam for Cap<ELEM> {
    fn put(&self, w: &mut InWriter) {
        w.scalar(&self.0);
        w.outs.push(self.0.saturating_mul(ELEM));
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let count: u32 = r.scalar()?;
        r.out(u64::from(count).saturating_mul(ELEM.into()))?;
        Ok(Self(count))
    }
}

/// Capacities of an output sequence of strings, in bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextCaps(pub Vec<u32>);

impl InParam for TextCaps {
    fn put(&self, w: &mut InWriter) {
        w.scalar(&wire_len(self.0.len()));
        w.bufs.push(self.0.iter().flat_map(|c| c.to_le_bytes()).collect());
        w.outs.extend(&self.0);
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let count: u32 = r.scalar()?;
        let caps: Vec<u32> = read_sequence(r.buffer(u64::from(count).saturating_mul(4))?)?;
        for &cap in &caps {
            r.out(cap.into())?;
        }
        Ok(Self(caps))
    }
}

// ---- output side --------------------------------------------------------------------------------------------------

/// Fills a call's output buffers.
#[derive(Debug)]
pub struct OutWriter<'a> {
    block: Writer,
    has_block: bool,
    capacities: std::slice::Iter<'a, u32>,
    bufs: Vec<Vec<u8>>,
}

impl<'a> OutWriter<'a> {
    /// Starts for these capacities.
    ///
    /// # Errors
    /// [`PayloadError::Capacity`] if the scalar outputs do not fit.
    pub fn new(capacities: &'a [u32], block_size: u32) -> Result<Self, PayloadError> {
        let mut capacities = capacities.iter();
        if block_size != 0 {
            let found = capacities.next().copied().unwrap_or(0);
            if found < block_size {
                return Err(PayloadError::Capacity {
                    need: block_size.into(),
                    found: found.into(),
                });
            }
        }
        Ok(Self {
            block: Writer::new(),
            has_block: block_size != 0,
            capacities,
            bufs: Vec::new(),
        })
    }

    fn buffer(&mut self, bytes: Vec<u8>) -> Result<(), PayloadError> {
        let found = self.capacities.next().copied().unwrap_or(0);
        if bytes.len() as u64 > found.into() {
            return Err(PayloadError::Capacity {
                need: bytes.len() as u64,
                found: found.into(),
            });
        }
        self.bufs.push(bytes);
        Ok(())
    }

    /// The buffers.
    #[must_use]
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        if self.has_block {
            self.bufs.insert(0, self.block.finish());
        }
        self.bufs
    }
}

/// Reads a call's output buffers.
#[derive(Debug)]
pub struct OutReader<'a> {
    block: Reader<'a>,
    bufs: std::slice::Iter<'a, Vec<u8>>,
}

impl<'a> OutReader<'a> {
    /// Starts on the buffers.
    #[must_use]
    pub fn new(outs: &'a [Vec<u8>], block_size: u32) -> Self {
        let mut bufs = outs.iter();
        let block = if block_size == 0 {
            &[][..]
        } else {
            bufs.next().map_or(&[][..], Vec::as_slice)
        };
        Self {
            block: Reader::new(block),
            bufs,
        }
    }

    fn buffer(&mut self) -> Result<&'a [u8], PayloadError> {
        let missing = PayloadError::Count {
            what: "further output buffers",
            expected: 1,
            found: 0,
        };
        self.bufs.next().map(Vec::as_slice).ok_or(missing)
    }
}

/// An output parameter.
pub trait OutParam: Sized {
    /// End of the block after this field, for a block that ends at `at` before it.
    #[must_use]
    fn end(at: usize) -> usize {
        at
    }
    /// Appends it.
    ///
    /// # Errors
    /// [`PayloadError::Capacity`]
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError>;
    /// Reads it.
    ///
    /// # Errors
    /// [`PayloadError`]
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError>;
}

impl<T: Scalar> OutParam for T {
    fn end(at: usize) -> usize {
        at.checked_next_multiple_of(T::ALIGN)
            .unwrap_or(at)
            .saturating_add(T::SIZE)
    }
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError> {
        w.block.align(T::ALIGN);
        self.write(&mut w.block);
        Ok(())
    }
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError> {
        r.block.align(T::ALIGN)?;
        Ok(T::read(&mut r.block)?)
    }
}

impl<T: Scalar> OutParam for Vec<T> {
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError> {
        let mut bytes = Writer::new();
        self.iter().for_each(|v| v.write(&mut bytes));
        w.buffer(bytes.finish())
    }
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError> {
        read_sequence(r.buffer()?)
    }
}

/// A string in an output buffer of fixed capacity: cut to fit, NUL-terminated, the rest of the buffer zeroed.
impl OutParam for Text {
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError> {
        let capacity = w.capacities.as_slice().first().copied().unwrap_or(0);
        let mut bytes = self.as_bytes().to_vec();
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        bytes.truncate(capacity.saturating_sub(1));
        bytes.resize(capacity, 0);
        w.buffer(bytes)
    }
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError> {
        let bytes = r.buffer()?;
        Ok(Self(bytes.split(|&b| b == 0).next().unwrap_or(&[]).to_vec()))
    }
}

/// An output sequence of strings: all buffers that are left.
impl OutParam for Texts {
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError> {
        self.0.iter().try_for_each(|text| OutParam::put(text, w))
    }
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError> {
        let mut texts = Vec::new();
        while r.bufs.len() > 0 {
            texts.push(<Text as OutParam>::take(r)?);
        }
        Ok(Self(texts))
    }
}

/// Describes an interface: one line a method, from which its request and reply types, their codecs and the `Request` enum follow.
///
/// `index "name" Request { input parameters } => Reply { output parameters }`
macro_rules! interface {
    (@reply) => { () };
    (@reply $Reply:ident) => { $Reply };
    (
        $(
            $(#[$doc:meta])*
            $index:literal $name:literal $Method:ident
            { $( $(#[$fdoc:meta])* $field:ident : $ty:ty ),* $(,)? }
            $( => $(#[$rdoc:meta])* $Reply:ident
                { $( $(#[$rfdoc:meta])* $rfield:ident : $rty:ty ),* $(,)? } )?
        )*
    ) => {
        /// Numbers and names of this interface's methods, as [`Kind::Plain`](crate::iface::Kind::Plain) counts them.
        pub const METHODS: &[(u32, &str)] = &[ $( ($index, $name), )* ];

        /// Any call of this interface.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Request {
            $( $(#[$doc])* $Method($Method), )*
        }

        impl Request {
            /// Parses the payload of a call.
            ///
            /// # Errors
            /// [`PayloadError`](crate::iface::PayloadError); [`aee`](crate::iface::PayloadError::aee) is the answer to give.
            pub fn parse(
                payload: &$crate::iface::Payload,
                kind: $crate::iface::Kind,
            ) -> Result<Self, $crate::iface::PayloadError> {
                use $crate::iface::{Kind, Method, PayloadError};
                let first = match kind { Kind::Plain => 0, Kind::Handle64 => 2 };
                let method = payload.method();
                match method.checked_sub(first) {
                    $( Some($index) => <$Method as Method>::parse(payload, kind).map(Self::$Method), )*
                    _ => Err(PayloadError::UnknownMethod(method)),
                }
            }

            /// The payload of this call.
            #[must_use]
            pub fn payload(&self, kind: $crate::iface::Kind) -> $crate::iface::Payload {
                match self { $( Self::$Method(m) => $crate::iface::Method::payload(m, kind), )* }
            }

            /// The method's name in the IDL.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $( Self::$Method(_) => $name, )* }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $Method { $( $(#[$fdoc])* pub $field: $ty, )* }

            impl $crate::iface::Method for $Method {
                type Reply = interface!(@reply $($Reply)?);
                const INDEX: u32 = $index;
                const NAME: &'static str = $name;

                fn payload(&self, kind: $crate::iface::Kind) -> $crate::iface::Payload {
                    #[allow(unused_mut)]
                    let mut w = $crate::iface::qaic::InWriter::new($index, kind);
                    $( $crate::iface::qaic::InParam::put(&self.$field, &mut w); )*
                    w.finish($index, kind, <Self::Reply as $crate::iface::Reply>::block_size())
                }

                fn parse(
                    payload: &$crate::iface::Payload,
                    kind: $crate::iface::Kind,
                ) -> Result<Self, $crate::iface::PayloadError> {
                    let fields: &[&str] = &[$(stringify!($field)),*];
                    let block = <Self::Reply as $crate::iface::Reply>::block_size();
                    #[allow(unused_mut)]
                    let mut r = $crate::iface::qaic::InReader::new(
                        payload, kind, $index, !fields.is_empty(), block)?;
                    let new = Self { $( $field: $crate::iface::qaic::InParam::take(&mut r)?, )* };
                    r.finish()?;
                    Ok(new)
                }
            }

            impl From<$Method> for Request {
                fn from(method: $Method) -> Self {
                    Self::$Method(method)
                }
            }

            $(
                $(#[$rdoc])*
                #[doc = concat!("Output parameters of `", $name, "`.")]
                #[derive(Debug, Clone, PartialEq, Eq)]
                pub struct $Reply { $( $(#[$rfdoc])* pub $rfield: $rty, )* }

                impl $crate::iface::Reply for $Reply {
                    fn block_size() -> u32 {
                        let at = 0;
                        $( let at = <$rty as $crate::iface::qaic::OutParam>::end(at); )*
                        $crate::wire::wire_len(at)
                    }

                    fn encode(
                        &self,
                        capacities: &[u32],
                    ) -> Result<Vec<Vec<u8>>, $crate::iface::PayloadError> {
                        let mut w = $crate::iface::qaic::OutWriter::new(capacities, Self::block_size())?;
                        $( $crate::iface::qaic::OutParam::put(&self.$rfield, &mut w)?; )*
                        Ok(w.finish())
                    }

                    fn parse(outs: &[Vec<u8>]) -> Result<Self, $crate::iface::PayloadError> {
                        let mut r = $crate::iface::qaic::OutReader::new(outs, Self::block_size());
                        Ok(Self { $( $rfield: $crate::iface::qaic::OutParam::take(&mut r)?, )* })
                    }
                }
            )?
        )*
    };
}
