//! Floats on the processor or on a device, and parts of them that operations read and write.

use crate::cpu::add::add;
use crate::cpu::simd::bf16_bits;
use crate::device::{Device, Error};
use crate::memory::floats::Floats;
use std::borrow::Cow;
use std::ops::Range;
use tagsmith_device::gpu::{Gpu, Room};
use tagsmith_device::kernels::elementwise::{Add, Cast};
use tagsmith_device::multiply::Element;

/// A fixed number of floats: f32 on the processor, f32 or bf16 on a device.
#[derive(Debug)]
pub(crate) enum Values {
    Host(Floats),
    Device(Room, Element),
}

impl Values {
    /// Makes `len` zeros on a device.
    pub fn zeros(device: &Device, len: usize) -> Values {
        match device {
            Device::Processor => Values::Host(Floats::zeros(len)),
            Device::Gpu(gpu) => {
                let mut values = Values::unfilled_on(gpu, Element::F32, len);
                values.view_mut(0..len).clear();
                values
            }
        }
    }

    /// Makes room for floats on a GPU, with unspecified content.
    pub fn unfilled_on(gpu: &Gpu, element: Element, len: usize) -> Values {
        Values::Device(gpu.room(len as u64 * element.bytes()), element)
    }

    /// Returns the same floats of a GPU in bf16.
    pub fn rounded(&self, gpu: &Gpu) -> Values {
        let n = self.len();
        let mut rounded = Values::unfilled_on(gpu, Element::Bf16, n);
        let (x, y) = (self.view(0..n).address(), rounded.view_mut(0..n).address());
        gpu.launch(&Cast { x, y, n, to: Element::Bf16 }.launch());
        rounded
    }

    /// Returns the device that the floats lie on.
    pub fn device(&self) -> Device {
        match self {
            Values::Host(_) => Device::Processor,
            Values::Device(room, _) => Device::Gpu(room.gpu().clone()),
        }
    }

    /// Returns the type of the floats.
    pub fn element(&self) -> Element {
        match self {
            Values::Host(_) => Element::F32,
            Values::Device(_, element) => *element,
        }
    }

    /// Returns how many floats there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Host(floats) => floats.len(),
            Values::Device(room, element) => (room.bytes() / element.bytes()) as usize,
        }
    }

    /// Returns a range of the floats, to read.
    pub fn view(&self, range: Range<usize>) -> View<'_> {
        match self {
            Values::Host(floats) => View::Host(&floats[range]),
            Values::Device(room, element) => View::Device(DevicePart::new(room, *element, range)),
        }
    }

    /// Returns a range of the floats, to write.
    pub fn view_mut(&mut self, range: Range<usize>) -> ViewMut<'_> {
        match self {
            Values::Host(floats) => ViewMut::Host(&mut floats[range]),
            Values::Device(room, element) => ViewMut::Device(DevicePart::new(room, *element, range)),
        }
    }

    /// Returns a range of the floats, to write, for ranges that are borrowed one by one.
    ///
    /// # Safety
    /// As long as the view is used, these values are there, and nobody else uses that range of them.
    pub unsafe fn detached<'a>(&mut self, range: Range<usize>) -> ViewMut<'a> {
        assert!(range.start <= range.end && range.end <= self.len(), "values: {range:?} is outside");
        match self {
            Values::Host(floats) => {
                // SAFETY: inside the buffer; the caller's promise.
                let part = unsafe { std::slice::from_raw_parts_mut(floats.pointer().add(range.start), range.len()) };
                ViewMut::Host(part)
            }
            Values::Device(room, element) => {
                // SAFETY: the caller's promise.
                ViewMut::Device(DevicePart::new(unsafe { &*std::ptr::from_ref(room) }, *element, range))
            }
        }
    }

    /// Returns the floats of the processor.
    ///
    /// # Panics
    /// If the floats lie on a device.
    pub fn host(&self) -> &Floats {
        match self {
            Values::Host(floats) => floats,
            Values::Device(..) => panic!("{ON_DEVICE}"),
        }
    }

    /// Returns the floats of the processor, to write.
    ///
    /// # Panics
    /// If the floats lie on a device.
    pub fn host_mut(&mut self) -> &mut Floats {
        match self {
            Values::Host(floats) => floats,
            Values::Device(..) => panic!("{ON_DEVICE}"),
        }
    }
}

impl Clone for Values {
    fn clone(&self) -> Values {
        match self {
            Values::Host(floats) => Values::Host(floats.clone()),
            Values::Device(room, element) => {
                let copy = room.gpu().room(room.bytes());
                copy.copy(0, room, 0, room.bytes());
                Values::Device(copy, *element)
            }
        }
    }
}

const ON_PROCESSOR: &str = "these numbers lie on the processor, and an operation of a device asks for them";
const ON_DEVICE: &str = "these numbers lie on a device, and an operation of the processor asks for them";

/// Floats that an operation reads: parameters, or the elements of a tensor. An operation of the processor asks once for
/// [`View::host`].
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// Floats in the memory of the process.
    Host(&'a [f32]),
    /// Floats on a device.
    Device(DevicePart<'a>),
}

impl<'a> View<'a> {
    /// No floats: the bias of a layer that has none.
    pub const EMPTY: View<'static> = View::Host(&[]);

    /// Returns how many floats there are.
    pub fn len(&self) -> usize {
        match self {
            View::Host(values) => values.len(),
            View::Device(part) => part.len,
        }
    }

    /// Returns whether there are no floats.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the GPU that the floats lie on, if they lie on one.
    pub(crate) fn gpu(self) -> Option<&'a Gpu> {
        match self {
            View::Host(_) => None,
            View::Device(part) => Some(part.room.gpu()),
        }
    }

    /// Returns where the floats begin on a device, and 0 if there are none.
    ///
    /// # Panics
    /// If the floats lie on the processor.
    pub(crate) fn address(self) -> u64 {
        match self {
            _ if self.is_empty() => 0,
            View::Host(_) => panic!("{ON_PROCESSOR}"),
            View::Device(part) => part.address(),
        }
    }

    /// Returns where the floats of this type begin on a device.
    ///
    /// # Panics
    /// If the floats lie on the processor, or there are none of this type.
    pub(crate) fn address_in(self, element: Element) -> u64 {
        match self {
            View::Host(_) => panic!("{ON_PROCESSOR}"),
            View::Device(part) => part.address_in(element),
        }
    }

    /// Returns the type of the activations that are computed from these parameters: bf16 if the parameters have a
    /// rounded copy.
    pub(crate) fn element_of_activations(self) -> Element {
        match self {
            View::Device(DevicePart { rounded: Some(_), .. }) => Element::Bf16,
            _ => Element::F32,
        }
    }

    /// Returns the view with a copy of the floats in bf16 beside it.
    pub(crate) fn with_rounded(self, rounded: Option<&'a Values>) -> View<'a> {
        match self {
            View::Host(_) => self,
            View::Device(part) => View::Device(part.with_rounded(rounded)),
        }
    }

    /// Returns a range of the floats.
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

    /// Returns the floats of the processor.
    ///
    /// # Panics
    /// If the floats lie on a device.
    pub fn host(self) -> &'a [f32] {
        match self {
            View::Host(values) => values,
            View::Device(_) => panic!("{ON_DEVICE}"),
        }
    }

    /// Returns the floats in the memory of the process, or a copy of those of a device.
    ///
    /// # Errors
    /// The first error of the device that the floats lie on.
    pub fn read(self) -> Result<Cow<'a, [f32]>, Error> {
        match self {
            View::Host(values) => Ok(Cow::Borrowed(values)),
            View::Device(part) => Ok(Cow::Owned(part.download()?)),
        }
    }

    /// Returns a copy of the floats in the memory of the process.
    ///
    /// # Errors
    /// The first error of the device that the floats lie on.
    pub fn to_vec(self) -> Result<Vec<f32>, Error> {
        Ok(self.read()?.into_owned())
    }
}

/// Floats that an operation writes: the gradient of a parameter, or the elements of a tensor. An operation of the processor
/// asks once for [`ViewMut::into_host`].
#[derive(Debug)]
pub enum ViewMut<'a> {
    /// Floats in the memory of the process.
    Host(&'a mut [f32]),
    /// Floats on a device.
    Device(DevicePart<'a>),
}

impl<'a> ViewMut<'a> {
    /// Returns how many floats there are.
    pub fn len(&self) -> usize {
        match self {
            ViewMut::Host(values) => values.len(),
            ViewMut::Device(part) => part.len,
        }
    }

    /// Returns whether there are no floats.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the floats, to read.
    pub fn view(&self) -> View<'_> {
        match self {
            ViewMut::Host(values) => View::Host(values),
            ViewMut::Device(part) => View::Device(*part),
        }
    }

    /// Returns the floats, to read from now on.
    pub fn into_view(self) -> View<'a> {
        match self {
            ViewMut::Host(values) => View::Host(values),
            ViewMut::Device(part) => View::Device(part),
        }
    }

    /// Returns the GPU that the floats lie on, if they lie on one.
    pub(crate) fn gpu(&self) -> Option<&'a Gpu> {
        match self {
            ViewMut::Host(_) => None,
            ViewMut::Device(part) => Some(part.room.gpu()),
        }
    }

    /// Returns a range of the floats.
    ///
    /// # Panics
    /// If the range does not lie inside.
    pub fn part(&mut self, range: Range<usize>) -> ViewMut<'_> {
        match self {
            ViewMut::Host(values) => ViewMut::Host(&mut values[range]),
            ViewMut::Device(part) => ViewMut::Device(part.part(range)),
        }
    }

    /// Splits the view before element `middle`.
    ///
    /// # Panics
    /// If there are fewer than `middle` floats.
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

    /// Takes the first `count` floats off the view.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn take(&mut self, count: usize) -> ViewMut<'a> {
        let (first, rest) = std::mem::replace(self, ViewMut::Host(&mut [])).split_at(count);
        *self = rest;
        first
    }

    /// Returns the floats of the processor.
    ///
    /// # Panics
    /// If the floats lie on a device.
    pub fn into_host(self) -> &'a mut [f32] {
        match self {
            ViewMut::Host(values) => values,
            ViewMut::Device(_) => panic!("{ON_DEVICE}"),
        }
    }

    /// Returns where the floats begin on a device.
    ///
    /// # Panics
    /// If the floats lie on the processor.
    pub(crate) fn address(&self) -> u64 {
        match self {
            ViewMut::Host(_) => panic!("{ON_PROCESSOR}"),
            ViewMut::Device(part) => part.address(),
        }
    }

    /// Returns where the copy of the floats in bf16 begins, and 0 if there is none.
    pub(crate) fn rounded_address(&self) -> u64 {
        match self {
            ViewMut::Device(part) if part.rounded.is_some() => part.address_in(Element::Bf16),
            _ => 0,
        }
    }

    /// Returns the view with a copy of the floats in bf16 beside it, which whoever writes the floats writes too.
    pub(crate) fn with_rounded(self, rounded: Option<&'a Values>) -> ViewMut<'a> {
        match self {
            ViewMut::Host(_) => self,
            ViewMut::Device(part) => ViewMut::Device(part.with_rounded(rounded)),
        }
    }

    /// Returns the floats of the processor, and keeps the view.
    ///
    /// # Panics
    /// If the floats lie on a device.
    pub(crate) fn host_mut(&mut self) -> &mut [f32] {
        match self {
            ViewMut::Host(values) => values,
            ViewMut::Device(_) => panic!("{ON_DEVICE}"),
        }
    }

    /// Fills the view with zeros.
    pub fn clear(&mut self) {
        match self {
            ViewMut::Host(values) => values.fill(0.0),
            ViewMut::Device(part) => part.room.clear(part.at(), part.bytes()),
        }
    }

    /// Adds floats to those of this view, one by one. Where both lie on the same device they are added there.
    ///
    /// # Panics
    /// If there are others than as many f32, or they lie on another device.
    pub fn add(self, more: View) {
        assert_eq!(self.len(), more.len(), "values: a sum of another length");
        match (self, more) {
            (ViewMut::Host(sum), View::Host(more)) => add(more, sum),
            (ViewMut::Host(_), View::Device(_)) => panic!("{ON_DEVICE}"),
            (ViewMut::Device(sum), View::Host(_)) => {
                let mut there = Values::unfilled_on(sum.room.gpu(), Element::F32, more.len());
                there.view_mut(0..more.len()).copy_from(more);
                ViewMut::Device(sum).add(there.view(0..more.len()));
            }
            (ViewMut::Device(sum), View::Device(more)) => {
                assert_eq!((sum.element, more.element), (Element::F32, Element::F32), "values: a sum of another type");
                let (x, y) = (more.address(), sum.address());
                sum.room.gpu().launch(&Add { element: Element::F32, x, y, n: sum.len }.launch());
            }
        }
    }

    /// Copies the floats of `from` to this view.
    ///
    /// # Panics
    /// If `from` has another length, lies on another device, or lies on the same device with another type.
    pub fn copy_from(self, from: View) {
        assert_eq!(self.len(), from.len(), "values: a copy of another length");
        match (self, from) {
            (ViewMut::Host(to), View::Host(from)) => to.copy_from_slice(from),
            (ViewMut::Device(to), View::Host(from)) => to.upload(from),
            (ViewMut::Device(to), View::Device(from)) => {
                assert_eq!(to.element, from.element, "values: a copy of another type");
                to.room.copy(to.at(), from.room, from.at(), to.bytes());
            }
            (ViewMut::Host(_), View::Device(_)) => panic!("{ON_DEVICE}"),
        }
    }
}

/// Consecutive floats in a device's room.
#[derive(Clone, Copy, Debug)]
pub struct DevicePart<'a> {
    room: &'a Room,
    element: Element,
    /// The number of the first float in the room.
    first: usize,
    len: usize,
    /// A room with a copy of the floats in bf16, for products of rounded factors.
    rounded: Option<&'a Room>,
}

impl<'a> DevicePart<'a> {
    fn new(room: &'a Room, element: Element, range: Range<usize>) -> DevicePart<'a> {
        let inside = range.start <= range.end && range.end as u64 * element.bytes() <= room.bytes();
        assert!(inside, "values: {range:?} is outside");
        DevicePart { room, element, first: range.start, len: range.len(), rounded: None }
    }

    fn with_rounded(self, rounded: Option<&'a Values>) -> DevicePart<'a> {
        match rounded {
            Some(Values::Device(room, Element::Bf16)) => DevicePart { rounded: Some(room), ..self },
            _ => self,
        }
    }

    fn part(self, range: Range<usize>) -> DevicePart<'a> {
        assert!(range.start <= range.end && range.end <= self.len, "values: {range:?} is outside of {}", self.len);
        DevicePart { first: self.first + range.start, len: range.len(), ..self }
    }

    /// Returns the byte of the room at which the floats begin.
    fn at(&self) -> u64 {
        self.first as u64 * self.element.bytes()
    }

    fn bytes(&self) -> u64 {
        self.len as u64 * self.element.bytes()
    }

    fn address(&self) -> u64 {
        self.room.address() + self.at()
    }

    /// Returns where the floats of this type begin.
    fn address_in(&self, element: Element) -> u64 {
        if element == self.element {
            return self.address();
        }
        let rounded = self.rounded.filter(|_| element == Element::Bf16);
        let room = rounded.expect("values: parameters are rounded when they move to the device");
        room.address() + self.first as u64 * element.bytes()
    }

    /// Copies numbers to the room. Those of bf16 are rounded to nearest even.
    fn upload(&self, values: &[f32]) {
        match self.element {
            Element::F32 => self.room.upload(self.at(), bytes(values)),
            Element::Bf16 => {
                let rounded: Vec<u8> =
                    values.iter().flat_map(|&value| (bf16_bits(value) as u16).to_ne_bytes()).collect();
                self.room.upload(self.at(), &rounded);
            }
        }
    }

    /// Returns the numbers in the room. Those of bf16 are widened.
    fn download(&self) -> Result<Vec<f32>, Error> {
        let mut values = vec![0.0; self.len];
        match self.element {
            Element::F32 => self.room.download(self.at(), bytes_mut(&mut values))?,
            Element::Bf16 => {
                let mut rounded = vec![0; 2 * self.len];
                self.room.download(self.at(), &mut rounded)?;
                for (value, bits) in values.iter_mut().zip(rounded.chunks_exact(2)) {
                    *value = f32::from_bits(u32::from(u16::from_ne_bytes([bits[0], bits[1]])) << 16);
                }
            }
        }
        Ok(values)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// bf16 has 7 bits of fraction: ties go to the even neighbor.
    #[test]
    fn numbers_are_rounded_to_the_nearest_bf16() {
        let Ok(Device::Gpu(gpu)) = Device::emulated(1) else { panic!("the emulator knows our kernels") };
        let mut there = Values::unfilled_on(&gpu, Element::Bf16, 1);
        let mut round = |value: f32| {
            there.view_mut(0..1).copy_from(View::Host(&[value]));
            there.view(0..1).to_vec().expect("the device works")[0]
        };
        let step = 1.0 / 128.0;
        for (value, want) in [
            (1.0, 1.0),
            (1.0 + step / 2.0, 1.0),
            (1.0 + step * 0.51, 1.0 + step),
            (1.0 + step * 1.5, 1.0 + 2.0 * step),
            (-1.0 - step * 0.51, -1.0 - step),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (-0.0, -0.0),
        ] {
            assert_eq!(round(value).to_bits(), f32::to_bits(want), "{value}");
        }
        assert!(round(f32::NAN).is_nan() && round(f32::from_bits(0x7F80_0001)).is_nan());
    }
}
