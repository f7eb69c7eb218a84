//! One file from the hub into the cache: resumed where it broke off, verified, and only then in its place.

use crate::cache::{Shelf, create_folder_of};
use crate::failure::Failure;
use crate::http::{Call, TRIES, header};
use crate::listing::Blob;
use crate::repo::Repo;
use crate::settings::Event;
use crate::{Error, Hub};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::{process, thread};
use ureq::Body;
use ureq::http::Response;

const BUFFER_BYTES: usize = 256 << 10;

/// A try that brought this much is not a failure, however it ended.
const PROGRESS_BYTES: u64 = 1 << 20;

/// The hash by which the hub knows a file.
enum Sum {
    /// The hash of `blob <size>`, a zero byte, and the content, as git has it.
    Git(Sha1),
    Sha256(Sha256),
}

impl Sum {
    fn new(blob: &Blob) -> Sum {
        match blob.sha256 {
            Some(_) => Sum::Sha256(Sha256::new()),
            None => Sum::Git(Sha1::new_with_prefix(format!("blob {}\0", blob.size))),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Sum::Git(sum) => sum.update(bytes),
            Sum::Sha256(sum) => sum.update(bytes),
        }
    }

    fn hex(self) -> String {
        match self {
            Sum::Git(sum) => hex(&sum.finalize()),
            Sum::Sha256(sum) => hex(&sum.finalize()),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// A download on its way.
struct Partial<'a> {
    path: PathBuf,
    file: File,
    blob: &'a Blob,
    sum: Sum,
    /// Bytes that are there and in the sum.
    done: u64,
}

impl Hub {
    /// Brings a file into the snapshot, unless its bytes are in the cache already.
    pub(crate) fn fetch(
        &self,
        repo: &Repo,
        shelf: &Shelf,
        commit: &str,
        file: &str,
        blob: &Blob,
    ) -> Result<(), Failure> {
        let etag = blob.etag();
        let lock = shelf.lock(etag, || self.say(format!("{file}: waiting for another process, which downloads it")))?;
        let place = shelf.blob(etag);
        let is_whole = fs::metadata(&place).is_ok_and(|about| about.len() == blob.size);
        if !is_whole {
            let name = match lock {
                Some(_) => format!("{etag}.incomplete"),
                // Without locks nobody else may write into it.
                None => format!("{etag}.{}.incomplete", process::id()),
            };
            self.download(&self.url(&repo.file(commit, file)), file, blob, &place.with_file_name(name), &place)?;
        }
        Ok(shelf.link(commit, file, etag)?)
    }

    fn download(&self, url: &str, file: &str, blob: &Blob, path: &Path, place: &Path) -> Result<(), Failure> {
        create_folder_of(path)?;
        // What an earlier run left may be damaged: then it is fetched once more, whole.
        for attempt in 0..2 {
            let mut partial = Partial::open(path, blob)?;
            (self.notify)(Event::Began { up: false, file, size: blob.size, done: partial.done });
            self.complete(url, &mut partial)?;
            let Partial { file: bytes, sum, .. } = partial;
            let found = sum.hex();
            if found == blob.etag() {
                bytes.sync_all().and_then(|()| fs::rename(path, place)).map_err(Error::write(path))?;
                (self.notify)(Event::Finished);
                return Ok(());
            }
            fs::remove_file(path).map_err(Error::write(path))?;
            let wrong = format!("its bytes hash to {found} and should to {}", blob.etag());
            if attempt == 1 {
                return Err(Failure::Malformed(format!("{wrong}, twice; nothing of it was kept")));
            }
            self.say(format!("{file}: {wrong}: downloading it again"));
        }
        unreachable!("the second attempt returns")
    }

    /// Asks for what is missing until nothing is.
    fn complete(&self, url: &str, partial: &mut Partial<'_>) -> Result<(), Failure> {
        let mut tries = 1;
        let mut pause = self.settings.pause;
        // Who begins again each time gets no further, however much comes.
        let mut furthest = partial.done;
        while partial.done < partial.blob.size {
            let failure = match self.pull(url, partial) {
                Ok(()) => continue,
                Err(failure @ Failure::Unreachable(_)) => failure,
                Err(failure) => return Err(failure),
            };
            if partial.done.saturating_sub(furthest) >= PROGRESS_BYTES {
                furthest = partial.done;
                (tries, pause) = (0, self.settings.pause);
            }
            if tries >= TRIES {
                return Err(failure);
            }
            let (done, size) = (partial.done, partial.blob.size);
            self.say(format!("{}: going on from byte {done} of {size}", failure.reason()));
            thread::sleep(pause);
            (tries, pause) = (tries + 1, pause * 2);
        }
        Ok(())
    }

    /// One request's worth of bytes.
    fn pull(&self, url: &str, partial: &mut Partial<'_>) -> Result<(), Failure> {
        let range = (partial.done > 0).then(|| ("range", format!("bytes={}-", partial.done)));
        let mut response = match self.call(&Call { headers: range.as_slice(), ..Call::get(url) }) {
            // What is there is not a beginning of what the hub has.
            Err(Failure::Refused { status: 416, .. }) => {
                partial.restart()?;
                self.call(&Call::get(url))?
            }
            response => response?,
        };
        if response.status().as_u16() != 206 {
            partial.restart()?;
        }
        partial.check(&response)?;
        let missing = partial.blob.size - partial.done;
        let mut body = response.body_mut().as_reader().take(missing + 1);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(Failure::Unreachable(format!("the connection broke ({error})"))),
            };
            if partial.done + count as u64 > partial.blob.size {
                return Err(Failure::Malformed(format!("it has more than its {} bytes", partial.blob.size)));
            }
            partial.append(&buffer[..count])?;
            (self.notify)(Event::Moved(partial.done));
        }
        if partial.done < partial.blob.size {
            return Err(Failure::Unreachable("the connection was closed too early".into()));
        }
        Ok(())
    }
}

impl<'a> Partial<'a> {
    /// Takes up what an interrupted download left.
    fn open(path: &Path, blob: &'a Blob) -> Result<Partial<'a>, Error> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let file = file.map_err(Error::write(path))?;
        let mut partial = Partial { path: path.to_owned(), file, blob, sum: Sum::new(blob), done: 0 };
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = partial.file.read(&mut buffer).map_err(Error::open(path))?;
            partial.sum.update(&buffer[..count]);
            partial.done += count as u64;
            if partial.done > blob.size {
                partial.restart()?;
                break;
            }
            if count == 0 {
                break;
            }
        }
        Ok(partial)
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).map_err(Error::write(&self.path))?;
        (self.sum, self.done) = (Sum::new(self.blob), 0);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Error::write(&self.path))?;
        self.sum.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// The answer is about the bytes that were asked for.
    fn check(&self, response: &Response<Body>) -> Result<(), Failure> {
        let size = self.blob.size;
        if response.status().as_u16() == 206 {
            let want = format!("bytes {}-{}/{size}", self.done, size - 1);
            let got = header(response, "content-range").unwrap_or_default();
            if got != want {
                return Err(Failure::Malformed(format!("the part `{got}` came, not `{want}`")));
            }
        }
        let length = header(response, "content-length").map(|text| text.trim().parse::<u64>());
        match length {
            Some(Ok(length)) if length != size - self.done => {
                Err(Failure::Malformed(format!("{length} bytes are announced, not {}", size - self.done)))
            }
            Some(Err(_)) => Err(Failure::Malformed("the announced length is not a number".into())),
            _ => Ok(()),
        }
    }
}
