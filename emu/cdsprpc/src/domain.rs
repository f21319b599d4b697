//! DSPs and sessions by the numbers and names that programs use (`inc/remote.h` and `inc/fastrpc_common.h` of
//! qualcomm/fastrpc).

use emu_machine::profile::LABELS;
use rpmsg::Aee;

/// `NUM_DOMAINS`: what an effective domain of a session differs by from that of the one before.
const DOMAINS: u32 = 8;
/// `NUM_SESSIONS`: of a program on a DSP.
pub const SESSIONS: u32 = 4;
/// `CDSP_DOMAIN_NAME`: what is meant where no DSP is named.
pub const DEFAULT: &str = "cdsp";

/// A session of the program on a DSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The DSP's number.
    pub domain: u32,
    /// The session's.
    pub session: u32,
}

impl Place {
    /// By a DSP's name.
    pub fn named(name: &str, session: u32) -> Result<Self, Aee> {
        let found = LABELS.iter().zip(0..).find(|(known, _)| **known == name);
        match found {
            Some((_, domain)) if session < SESSIONS => Ok(Self { domain, session }),
            Some(_) => {
                tracing::warn!(
                    "there is no session {session} of {name}: a program has {SESSIONS}, counted from 0"
                );
                Err(Aee::BAD_PARM)
            }
            None => {
                tracing::warn!("there is no DSP {name:?}");
                Err(Aee::BAD_PARM)
            }
        }
    }

    /// By the effective domain.
    pub fn effective(number: i64) -> Result<Self, Aee> {
        let number = u32::try_from(number).map_err(|_| Aee::BAD_PARM)?;
        let (domain, session) = (number % DOMAINS, number / DOMAINS);
        if session < SESSIONS && LABELS.get(domain as usize).is_some() {
            return Ok(Self { domain, session });
        }
        tracing::warn!("there is no domain {number}");
        Err(Aee::BAD_PARM)
    }

    /// The effective domain.
    pub fn number(self) -> u32 {
        self.session * DOMAINS + self.domain
    }

    /// The DSP's name.
    pub fn name(self) -> &'static str {
        LABELS.get(self.domain as usize).copied().unwrap_or(DEFAULT)
    }

    /// Whom a module's URI names; session 0 of the compute DSP if nobody.
    pub fn of_uri(uri: &str) -> Result<Self, Aee> {
        let value = |key: &str| {
            let rest = uri.split_once(key)?.1;
            Some(rest.split('&').next().unwrap_or(rest))
        };
        let session = match value("&_session=") {
            None => 0,
            Some(text) => text.parse().map_err(|_| Aee::BAD_PARM)?,
        };
        Self::named(value("&_dom=").unwrap_or(DEFAULT), session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_found_by_numbers_names_and_uris() {
        let place = Place::named("cdsp1", 2).unwrap();
        assert_eq!((place.domain, place.number(), place.name()), (4, 20, "cdsp1"));
        assert_eq!(Place::effective(20), Ok(place));
        assert_eq!(
            Place::of_uri("file:///x.so?y&_modver=1.0&_dom=cdsp1&_session=2"),
            Ok(place)
        );
        assert_eq!(
            Place::of_uri("file:///x.so?y&_session=1&_dom=adsp")
                .unwrap()
                .number(),
            8
        );
        assert_eq!(Place::of_uri("x").unwrap().number(), 3);
        for wrong in [7, 15, 32, -1, i64::MAX] {
            assert_eq!(Place::effective(wrong), Err(Aee::BAD_PARM), "{wrong}");
        }
        for wrong in ["x&_dom=npu", "x&_session=4", "x&_session=-1", "x&_dom="] {
            assert_eq!(Place::of_uri(wrong), Err(Aee::BAD_PARM), "{wrong}");
        }
    }
}
