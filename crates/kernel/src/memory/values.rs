//! Floats on the processor or on a device, and parts of them that operations read and write.

use crate::device::{Device, Error};
use crate::memory::floats::Floats;
use std::ops::Range;
use tagsmith_device::gpu::{Gpu, Room};

/// Bytes of a float.
const BYTES: u64 = size_of::<f32>() as u64;

/// A fixed number of floats.
#[derive(Debug)]
pub(crate) enum Values {
    Host(Floats),
    Device(Room),
}

impl Values {
    /// Makes zeros.
    pub fn zeros(device: &Device, len: usize) -> Values {
        match device {
            Device::Processor => Values::Host(Floats::zeros(len)),
            Device::Gpu(gpu) => {
                let room = gpu.room(len as u64 * BYTES);
                room.clear(0, room.bytes());
                Values::Device(room)
            }
        }
    }

    /// Makes room for floats on a GPU, with unspecified content.
    pub fn unfilled_on(gpu: &Gpu, len: usize) -> Values {
        Values::Device(gpu.room(len as u64 * BYTES))
    }

    /// Returns where they lie.
    pub fn device(&self) -> Device {
        match self {
            Values::Host(_) => Device::Processor,
            Values::Device(room) => Device::Gpu(room.gpu().clone()),
        }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Host(floats) => floats.len(),
            Values::Device(room) => (room.bytes() / BYTES) as usize,
        }
    }

    /// Returns a part of them, to read.
    pub fn view(&self, range: Range<usize>) -> View<'_> {
        match self {
            Values::Host(floats) => View::Host(&floats[range]),
            Values::Device(room) => View::Device(Part::new(room, range)),
        }
    }

    /// Returns a part of them, to write.
    pub fn view_mut(&mut self, range: Range<usize>) -> ViewMut<'_> {
        match self {
            Values::Host(floats) => ViewMut::Host(&mut floats[range]),
            Values::Device(room) => ViewMut::Device(Part::new(room, range)),
        }
    }

    /// Returns a part of them, to write, for parts that are borrowed one by one.
    ///
    /// # Safety
    /// As long as the part is used, these values are there, and nobody else uses that part of them.
    pub unsafe fn detached<'a>(&mut self, range: Range<usize>) -> ViewMut<'a> {
        assert!(range.start <= range.end && range.end <= self.len(), "values: {range:?} is outside");
        match self {
            Values::Host(floats) => {
                // SAFETY: inside the buffer; the caller's promise.
                let part = unsafe { std::slice::from_raw_parts_mut(floats.pointer().add(range.start), range.len()) };
                ViewMut::Host(part)
            }
            Values::Device(room) => {
                // SAFETY: the caller's promise.
                ViewMut::Device(Part::new(unsafe { &*std::ptr::from_ref(room) }, range))
            }
        }
    }

    /// Returns those of the processor.
    ///
    /// # Panics
    /// If they lie on a device.
    pub fn host(&self) -> &Floats {
        match self {
            Values::Host(floats) => floats,
            Values::Device(_) => panic!("{ON_DEVICE}"),
        }
    }

    /// Returns those of the processor, to write.
    ///
    /// # Panics
    /// If they lie on a device.
    pub fn host_mut(&mut self) -> &mut Floats {
        match self {
            Values::Host(floats) => floats,
            Values::Device(_) => panic!("{ON_DEVICE}"),
        }
    }
}

impl Clone for Values {
    fn clone(&self) -> Values {
        match self {
            Values::Host(floats) => Values::Host(floats.clone()),
            Values::Device(room) => {
                let copy = room.gpu().room(room.bytes());
                copy.copy(0, room, 0, room.bytes());
                Values::Device(copy)
            }
        }
    }
}

const ON_DEVICE: &str = "these numbers lie on a device, and an operation of the processor asks for them";

/// Floats that an operation reads: parameters, or the elements of a tensor. An operation of the processor asks once for
/// [`View::host`].
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// They lie in the memory of the process.
    Host(&'a [f32]),
    /// They lie on a device.
    Device(Part<'a>),
}

impl<'a> View<'a> {
    /// No floats: the bias of a layer that has none.
    pub const EMPTY: View<'static> = View::Host(&[]);

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        match self {
            View::Host(values) => values.len(),
            View::Device(part) => part.len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the GPU that they lie on, if they lie on one.
    pub(crate) fn gpu(self) -> Option<&'a Gpu> {
        match self {
            View::Host(_) => None,
            View::Device(part) => Some(part.room.gpu()),
        }
    }

    /// Returns some of them.
    ///
    /// # Panics
    /// If the range does not lie inside.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> View<'a> {
        match self {
            View::Host(values) => View::Host(&values[range]),
            View::Device(part) => View::Device(part.part(range)),
        }
    }

    /// Returns those of the processor.
    ///
    /// # Panics
    /// If they lie on a device.
    pub fn host(self) -> &'a [f32] {
        match self {
            View::Host(values) => values,
            View::Device(_) => panic!("{ON_DEVICE}"),
        }
    }

    /// Returns a copy in the memory of the process.
    ///
    /// # Errors
    /// The first error of the device that they lie on.
    pub fn to_vec(self) -> Result<Vec<f32>, Error> {
        match self {
            View::Host(values) => Ok(values.to_vec()),
            View::Device(part) => {
                let mut values = vec![0.0; part.len];
                part.room.download(part.first as u64 * BYTES, bytes_mut(&mut values))?;
                Ok(values)
            }
        }
    }
}

/// Floats that an operation writes: the gradient of a parameter, or the elements of a tensor. An operation of the processor
/// asks once for [`ViewMut::into_host`].
#[derive(Debug)]
pub enum ViewMut<'a> {
    /// They lie in the memory of the process.
    Host(&'a mut [f32]),
    /// They lie on a device.
    Device(Part<'a>),
}

impl<'a> ViewMut<'a> {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        match self {
            ViewMut::Host(values) => values.len(),
            ViewMut::Device(part) => part.len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Splits them before element `middle`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn split_at(self, middle: usize) -> (ViewMut<'a>, ViewMut<'a>) {
        match self {
            ViewMut::Host(values) => {
                let (first, second) = values.split_at_mut(middle);
                (ViewMut::Host(first), ViewMut::Host(second))
            }
            ViewMut::Device(part) => {
                (ViewMut::Device(part.part(0..middle)), ViewMut::Device(part.part(middle..part.len)))
            }
        }
    }

    /// Returns those of the processor.
    ///
    /// # Panics
    /// If they lie on a device.
    pub fn into_host(self) -> &'a mut [f32] {
        match self {
            ViewMut::Host(values) => values,
            ViewMut::Device(_) => panic!("{ON_DEVICE}"),
        }
    }

    /// Returns those of the processor, and keeps the view.
    ///
    /// # Panics
    /// If they lie on a device.
    pub(crate) fn host_mut(&mut self) -> &mut [f32] {
        match self {
            ViewMut::Host(values) => values,
            ViewMut::Device(_) => panic!("{ON_DEVICE}"),
        }
    }

    /// Fills them with zeros.
    pub fn clear(self) {
        match self {
            ViewMut::Host(values) => values.fill(0.0),
            ViewMut::Device(part) => part.room.clear(part.first as u64 * BYTES, part.len as u64 * BYTES),
        }
    }

    /// Copies these values there.
    ///
    /// # Panics
    /// If their number is another, or they lie on another device.
    pub fn copy_from(self, from: View) {
        assert_eq!(self.len(), from.len(), "values: a copy of another length");
        match (self, from) {
            (ViewMut::Host(to), View::Host(from)) => to.copy_from_slice(from),
            (ViewMut::Device(to), View::Host(from)) => to.room.upload(to.first as u64 * BYTES, bytes(from)),
            (ViewMut::Device(to), View::Device(from)) => {
                let (at, start) = (to.first as u64 * BYTES, from.first as u64 * BYTES);
                to.room.copy(at, from.room, start, to.len as u64 * BYTES);
            }
            (ViewMut::Host(_), View::Device(_)) => panic!("{ON_DEVICE}"),
        }
    }
}

/// Consecutive floats in a device's room.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    room: &'a Room,
    /// The number of the first float in the room.
    first: usize,
    len: usize,
}

impl<'a> Part<'a> {
    fn new(room: &'a Room, range: Range<usize>) -> Part<'a> {
        let inside = range.start <= range.end && range.end as u64 * BYTES <= room.bytes();
        assert!(inside, "values: {range:?} is outside");
        Part { room, first: range.start, len: range.len() }
    }

    fn part(self, range: Range<usize>) -> Part<'a> {
        assert!(range.start <= range.end && range.end <= self.len, "values: {range:?} is outside of {}", self.len);
        Part { room: self.room, first: self.first + range.start, len: range.len() }
    }
}

/// Returns the bytes of floats, as they lie in memory.
fn bytes(values: &[f32]) -> &[u8] {
    // SAFETY: any byte is a u8, and the slice covers the same memory for as long.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// Returns the bytes of floats, to write.
fn bytes_mut(values: &mut [f32]) -> &mut [u8] {
    // SAFETY: as above, and any four bytes are a float.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}
