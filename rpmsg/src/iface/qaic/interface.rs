//! The macro that describes an interface.

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
