//! The AP's files, played for tests that call imported functions directly.

use std::collections::BTreeMap;

use super::call::{Call, Outcome, Stop};
use super::testing::Guest;
use crate::ap::ApError;
use rpmsg::iface::apps_std::{self, Request, SEEK_CUR, SEEK_END};
use rpmsg::iface::{Kind, Reply as _};

/// Files by path, and those that are open: path and position.
#[derive(Default)]
pub struct ApFiles {
    pub files: BTreeMap<String, Vec<u8>>,
    open: BTreeMap<i32, (String, usize)>,
    /// Names of what was asked.
    pub asked: Vec<&'static str>,
    /// Every write fails with this.
    pub broken: Option<u32>,
}

impl ApFiles {
    /// With one file.
    pub fn with(path: &str, bytes: &[u8]) -> Self {
        let mut out = Self::default();
        out.files.insert(path.into(), bytes.into());
        out
    }

    /// How many files are open.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn fopen(&mut self, path: &str, mode: &str) -> Result<i32, u32> {
        if mode.starts_with('w') {
            self.files.insert(path.into(), Vec::new());
        }
        if mode.starts_with('a') {
            self.files.entry(path.into()).or_default();
        }
        let len = self.files.get(path).ok_or(2u32)?.len();
        let number = self.open.keys().last().map_or(100, |n| n + 1);
        let at = if mode.starts_with('a') { len } else { 0 };
        self.open.insert(number, (path.into(), at));
        Ok(number)
    }

    fn answer(&mut self, request: &Request) -> Result<Vec<Vec<u8>>, u32> {
        self.asked.push(request.name());
        let outs = request.payload(Kind::Plain).outs;
        let done = Ok(outs.iter().map(|&n| vec![0; n as usize]).collect());
        Ok(match request {
            Request::Fopen(r) => {
                let file = self.fopen(&r.name.to_lossy(), &r.mode.to_lossy())?;
                apps_std::FopenReply { file }.encode(&outs).unwrap()
            }
            Request::FopenWithEnv(r) => {
                let file = self.fopen(&format!("/lib/{}", r.name), &r.mode.to_lossy())?;
                apps_std::FopenWithEnvReply { file }.encode(&outs).unwrap()
            }
            Request::Fclose(r) => {
                self.open.remove(&r.file).ok_or(9u32)?;
                return done;
            }
            Request::Fread(r) => {
                let (path, at) = self.open.get_mut(&r.file).ok_or(9u32)?;
                let rest = &self.files[path][*at..];
                let data = rest[..rest.len().min(r.data.0 as usize)].to_vec();
                *at += data.len();
                let bytes_read = data.len() as u32;
                let eof = u32::from(bytes_read < r.data.0);
                apps_std::FreadReply {
                    bytes_read,
                    eof,
                    data,
                }
                .encode(&outs)
                .unwrap()
            }
            Request::Fwrite(r) => {
                if let Some(error) = self.broken {
                    return Err(error);
                }
                let (path, at) = self.open.get_mut(&r.file).ok_or(9u32)?;
                let file = self.files.get_mut(path).ok_or(9u32)?;
                file.resize(file.len().max(*at + r.data.len()), 0);
                file[*at..*at + r.data.len()].copy_from_slice(&r.data);
                *at += r.data.len();
                let bytes_written = r.data.len() as u32;
                apps_std::FwriteReply {
                    bytes_written,
                    eof: 0,
                }
                .encode(&outs)
                .unwrap()
            }
            Request::Fseek(r) => {
                let (path, at) = self.open.get_mut(&r.file).ok_or(9u32)?;
                let from = match r.whence {
                    SEEK_CUR => *at,
                    SEEK_END => self.files[path].len(),
                    _ => 0,
                };
                *at = usize::try_from(from as i64 + i64::from(r.offset)).map_err(|_| 22u32)?;
                return done;
            }
            Request::Ftell(r) => {
                let pos = self.open.get(&r.file).ok_or(9u32)?.1 as u32;
                apps_std::FtellReply { pos }.encode(&outs).unwrap()
            }
            Request::Flen(r) => {
                let len = self.files[&self.open.get(&r.file).ok_or(9u32)?.0].len() as u64;
                apps_std::FlenReply { len }.encode(&outs).unwrap()
            }
            Request::Ftrunc(r) => {
                let path = &self.open.get(&r.file).ok_or(9u32)?.0;
                let len = usize::try_from(r.offset).map_err(|_| 22u32)?;
                self.files.get_mut(path).ok_or(9u32)?.resize(len, 0);
                return done;
            }
            Request::Fremove(r) => {
                self.files.remove(&r.name.to_lossy()).ok_or(2u32)?;
                return done;
            }
            _ => return Err(0x14),
        })
    }

    /// Calls a function that may ask this AP; what it does in the end.
    pub fn play(&mut self, g: &mut Guest, name: &str, args: &[u32]) -> Result<Outcome, Stop> {
        let mut outcome = g.try_call(name, args);
        while let Ok(Outcome::Ask(question, answered)) = outcome {
            let answer = question.put(|request| self.answer(request).map_err(ApError::Failed));
            outcome = answered(
                &mut Call {
                    os: &mut g.os,
                    thread: &mut g.thread,
                },
                answer,
            );
        }
        outcome
    }

    /// Calls a function that may ask this AP and returns; gives r1:0.
    pub fn call64(&mut self, g: &mut Guest, name: &str, args: &[u32]) -> u64 {
        match self.play(g, name, args) {
            Ok(Outcome::Return) => {
                let r = &g.thread.core.regs.r;
                u64::from(r[0]) | u64::from(r[1]) << 32
            }
            Ok(_) => panic!("{name} did something else"),
            Err(stop) => panic!("{name}: {stop}"),
        }
    }

    /// The same; gives r0.
    pub fn call(&mut self, g: &mut Guest, name: &str, args: &[u32]) -> u32 {
        self.call64(g, name, args) as u32
    }
}
