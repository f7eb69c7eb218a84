//! TensorBoard's event files: records framed with their length and checksums, each a protocol-buffer `Event`.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | length L of the event |
//! | 4 | masked CRC-32C of those 8 bytes |
//! | L | the event: wall time, step, and a version or a summary of one scalar |
//! | 4 | masked CRC-32C of the event |
//!
//! # Source
//! TensorFlow's `record_writer.h` and `event.proto`; the mask is `crc32c.h`'s.

use anyhow::{Result, bail};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tagsmith_files::Error;

/// What the first event of a file says.
const VERSION: &str = "brain.Event:2";

/// How many files of one name may be made in one second.
const ATTEMPTS: u32 = 1000;

/// An event file being written.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// A new file in `folder`, at a wall time of `now` seconds after 1970.
    pub fn create(folder: &Path, host: &str, now: f64) -> Result<EventFile> {
        let process = std::process::id();
        for attempt in 0..ATTEMPTS {
            let path = folder.join(format!("events.out.tfevents.{:010}.{host}.{process}.{attempt}", now as u64));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut events = EventFile { path, file };
                    events.write(&event(now, 0, &Content::Version))?;
                    return Ok(events);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(&path)(error).into()),
            }
        }
        bail!("`{}` is full of event files of this second", folder.display())
    }

    /// Writes one number at a step.
    pub fn scalar(&mut self, now: f64, step: u64, name: &str, value: f32) -> Result<()> {
        self.write(&event(now, step, &Content::Scalar { name, value }))
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        self.file.write_all(&framed(event)).map_err(Error::io(&self.path))?;
        Ok(())
    }
}

enum Content<'a> {
    Version,
    Scalar { name: &'a str, value: f32 },
}

/// Wire types of protocol buffers.
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const FIXED_32: u8 = 5;

/// An `Event`: wall_time = 1, step = 2 (left out where 0, as protocol buffers do), file_version = 3, summary = 5.
fn event(wall_time: f64, step: u64, content: &Content) -> Vec<u8> {
    let mut event = vec![key(1, FIXED_64)];
    event.extend(wall_time.to_le_bytes());
    if step > 0 {
        event.push(key(2, VARINT));
        push_varint(&mut event, step);
    }
    match content {
        Content::Version => push_bytes(&mut event, 3, VERSION.as_bytes()),
        Content::Scalar { name, value } => {
            // Summary.value = 1 of a Value with tag = 1 and simple_value = 2.
            let mut scalar = Vec::new();
            push_bytes(&mut scalar, 1, name.as_bytes());
            scalar.push(key(2, FIXED_32));
            scalar.extend(value.to_le_bytes());
            let mut summary = Vec::new();
            push_bytes(&mut summary, 1, &scalar);
            push_bytes(&mut event, 5, &summary);
        }
    }
    event
}

fn key(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

fn push_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(key(field, LENGTH_DELIMITED));
    push_varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn push_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

fn framed(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut frame = length.to_vec();
    frame.extend(masked_crc32c(&length).to_le_bytes());
    frame.extend(event);
    frame.extend(masked_crc32c(event).to_le_bytes());
    frame
}

/// A checksum of data that may hold checksums itself.
fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's polynomial, reflected: RFC 3720.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc: u32, &byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by the tensorboard package, in `oracle/event_files.py`.
    const GOLDEN: &[u8] = include_bytes!("../../../../golden/event_files/scalars.tfevents");

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        // The ordinary CRC-32 of the same text is another number.
        assert_ne!(crc32c(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_file_is_tensorboards_to_the_last_byte() {
        let wall_time = |at: u64| 1_795_573_357.25 + at as f64;
        let long = format!("eval/{}_f1", "\u{e9}".repeat(100));
        let scalars = [
            (0, "train/loss", 1.5),
            (1, "train/learning_rate", 5e-5),
            (127, "eval/f1", 0.0),
            (128, "eval/f1", 1.0),
            (300, "eval/loss", f32::NAN),
            (1 << 40, long.as_str(), -2.5e-8),
        ];
        let mut bytes = framed(&event(wall_time(0), 0, &Content::Version));
        for (at, (step, name, value)) in (1..).zip(scalars) {
            bytes.extend(framed(&event(wall_time(at), step, &Content::Scalar { name, value })));
        }
        assert!(bytes == GOLDEN, "{} bytes, not these {}", bytes.len(), GOLDEN.len());
    }

    #[test]
    fn every_file_is_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let mut events = EventFile::create(folder.path(), "host", 1.5).unwrap();
            events.scalar(2.0, 1, "train/loss", 0.5).unwrap();
            assert!(
                events.path.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents.0000000001.host.")
            );
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(EventFile::create(&folder.path().join("none"), "host", 1.0).is_err());
    }
}
