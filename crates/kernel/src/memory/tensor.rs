//! Tensors: row-major matrices of f32 whose memory is used again.

use crate::device::{Device, Error};
use crate::memory::floats::Floats;
pub(crate) use crate::memory::floats::LINE;
use crate::memory::values::{Values, View, ViewMut};
use crate::threads::for_each;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tagsmith_device::gpu::Gpu;
use tagsmith_device::multiply::Element;

/// Buffers that were dropped, sorted by capacity.
static FREE: Mutex<Vec<Floats>> = Mutex::new(Vec::new());

/// A matrix of `rows` × `columns`, row-major and contiguous, on the processor or on a device. Cloning shares it; a shared
/// one is never written.
#[derive(Clone, Debug)]
pub struct Tensor {
    rows: usize,
    columns: usize,
    buffer: Arc<Buffer>,
}

#[derive(Debug)]
struct Buffer(Values);

impl Drop for Buffer {
    fn drop(&mut self) {
        // A device's room goes back to the device by itself.
        let Values::Host(floats) = &mut self.0 else { return };
        let buffer = std::mem::replace(floats, Floats::zeros(0));
        if let (Ok(mut free), true) = (FREE.lock(), !buffer.is_empty()) {
            let at = free.partition_point(|other| other.len() < buffer.len());
            free.insert(at, buffer);
        }
    }
}

/// Returns a buffer of at least `len` floats with unspecified content.
fn take(len: usize) -> Floats {
    let mut free = FREE.lock().expect("no thread panics while it holds the list of free buffers");
    let at = free.partition_point(|buffer| buffer.len() < len);
    // A buffer that is more than twice as large stays, for a matrix that needs its size.
    if at < free.len() && free[at].len() <= 2 * len.max(1024) {
        return free.remove(at);
    }
    drop(free);
    Floats::zeros(len)
}

/// Rows of the largest batch to come; see [`expect_rows`].
static EXPECTED_ROWS: AtomicUsize = AtomicUsize::new(0);

/// Makes each matrix of up to `rows` rows take the memory of one with `rows`. Then a run asks the system for memory in
/// its first step only, whatever the sizes of its batches.
pub fn expect_rows(rows: usize) {
    EXPECTED_ROWS.store(rows, Ordering::Relaxed);
}

/// Gives the memory of all dropped tensors back to the system.
pub fn release_free_memory() {
    FREE.lock().expect("no thread panics while it holds the list of free buffers").clear();
}

impl Tensor {
    /// Makes a matrix with unspecified content. The caller writes every element.
    pub(crate) fn unfilled(rows: usize, columns: usize) -> Tensor {
        Tensor::unfilled_with(rows, 0, columns)
    }

    /// Makes a matrix of `rows + spare` rows with unspecified content. Only `rows` grows with a batch ([`expect_rows`]).
    pub(crate) fn unfilled_with(rows: usize, spare: usize, columns: usize) -> Tensor {
        let room = rows.max(EXPECTED_ROWS.load(Ordering::Relaxed)) + spare;
        Tensor { rows: rows + spare, columns, buffer: Arc::new(Buffer(Values::Host(take(room * columns)))) }
    }

    /// Makes a matrix with unspecified content on a GPU. The caller writes every element.
    pub(crate) fn unfilled_on(gpu: &Gpu, element: Element, rows: usize, columns: usize) -> Tensor {
        Tensor { rows, columns, buffer: Arc::new(Buffer(Values::unfilled_on(gpu, element, rows * columns))) }
    }

    /// Makes a matrix with unspecified content where this one lies, of its type. The caller writes every element.
    pub(crate) fn unfilled_beside(&self, rows: usize, columns: usize) -> Tensor {
        match self.gpu() {
            None => Tensor::unfilled(rows, columns),
            Some(gpu) => Tensor::unfilled_on(gpu, self.element(), rows, columns),
        }
    }

    /// Makes a matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Tensor {
        let mut tensor = Tensor::unfilled(rows, columns);
        tensor.data_mut().fill(0.0);
        tensor
    }

    /// Returns this matrix if it is not shared, otherwise a copy. The result may be written.
    #[must_use]
    pub fn unshared(mut self) -> Tensor {
        match Arc::get_mut(&mut self.buffer) {
            Some(_) => self,
            None => self.copy(),
        }
    }

    /// Returns a copy that nobody shares, where this matrix lies.
    #[must_use]
    pub fn copy(&self) -> Tensor {
        let mut copy = self.unfilled_beside(self.rows, self.columns);
        copy.view_mut().copy_from(self.view());
        copy
    }

    /// Makes a matrix of zeros where this one lies, of its type.
    pub fn zeros_beside(&self, rows: usize, columns: usize) -> Tensor {
        let mut zeros = self.unfilled_beside(rows, columns);
        zeros.view_mut().clear();
        zeros
    }

    /// Makes a matrix of these elements on a device, row after row.
    ///
    /// # Panics
    /// If their number is not rows × columns.
    pub fn on(device: &Device, rows: usize, columns: usize, values: &[f32]) -> Tensor {
        match device {
            Device::Processor => Tensor::from_slice(rows, columns, values),
            Device::Gpu(gpu) => {
                let mut tensor = Tensor::unfilled_on(gpu, Element::F32, rows, columns);
                tensor.view_mut().copy_from(View::Host(values));
                tensor
            }
        }
    }

    /// Makes a matrix of these elements, row after row.
    ///
    /// # Panics
    /// If their number is not rows × columns.
    pub fn from_slice(rows: usize, columns: usize, values: &[f32]) -> Tensor {
        let mut tensor = Tensor::unfilled(rows, columns);
        tensor.data_mut().copy_from_slice(values);
        tensor
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns how many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns where the matrix lies.
    pub fn device(&self) -> Device {
        self.buffer.0.device()
    }

    /// Returns the GPU that the matrix lies on, if it lies on one.
    pub(crate) fn gpu(&self) -> Option<&Gpu> {
        self.view().gpu()
    }

    /// Returns the type of the elements.
    pub(crate) fn element(&self) -> Element {
        self.buffer.0.element()
    }

    /// Returns where the matrix begins on a device.
    ///
    /// # Panics
    /// If it lies on the processor.
    pub(crate) fn address(&self) -> u64 {
        self.view().address()
    }

    /// Returns where the matrix begins on a device, to write.
    ///
    /// # Panics
    /// If it is shared, or lies on the processor.
    pub(crate) fn address_mut(&mut self) -> u64 {
        self.view_mut().address()
    }

    /// Returns all elements, row after row, wherever they lie.
    pub fn view(&self) -> View<'_> {
        self.buffer.0.view(0..self.rows * self.columns)
    }

    /// Returns all elements, to write, wherever they lie.
    ///
    /// # Panics
    /// If the matrix is shared.
    pub fn view_mut(&mut self) -> ViewMut<'_> {
        let len = self.rows * self.columns;
        self.alone().view_mut(0..len)
    }

    /// Returns the matrix in the memory of the process: itself, or a copy of what a device has.
    ///
    /// # Errors
    /// The first error of the device that the matrix lies on.
    pub fn here(self) -> Result<Tensor, Error> {
        match self.device() {
            Device::Processor => Ok(self),
            Device::Gpu(_) => Ok(Tensor::from_slice(self.rows, self.columns, &self.to_vec()?)),
        }
    }

    /// Returns a copy of all elements, row after row.
    ///
    /// # Errors
    /// The first error of the device that the matrix lies on.
    pub fn to_vec(&self) -> Result<Vec<f32>, Error> {
        self.view().to_vec()
    }

    /// Returns all elements, row after row.
    ///
    /// # Panics
    /// If the matrix lies on a device.
    pub fn data(&self) -> &[f32] {
        &self.buffer.0.host()[..self.rows * self.columns]
    }

    /// Returns one row.
    ///
    /// # Panics
    /// If the matrix lies on a device.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data()[row * self.columns..][..self.columns]
    }

    /// Returns all elements, to write.
    ///
    /// # Panics
    /// If the matrix is shared, or lies on a device.
    pub fn data_mut(&mut self) -> &mut [f32] {
        let len = self.rows * self.columns;
        &mut self.alone().host_mut()[..len]
    }

    fn alone(&mut self) -> &mut Values {
        &mut Arc::get_mut(&mut self.buffer).expect("a shared tensor is not written").0
    }

    /// Returns the whole matrix as an area that is only read.
    pub(crate) fn area(&self) -> Area {
        Area { at: self.data().as_ptr().cast_mut(), stride: self.columns, rows: self.rows, columns: self.columns }
    }

    /// Returns the whole matrix as an area to write.
    pub(crate) fn area_mut(&mut self) -> Area {
        Area { at: self.data_mut().as_mut_ptr(), stride: self.columns, rows: self.rows, columns: self.columns }
    }

    pub(crate) fn assert_shape(&self, op: &str, what: &str, rows: usize, columns: usize) {
        assert!(
            (self.rows, self.columns) == (rows, columns),
            "{op}: {what} is ({}, {}), not ({rows}, {columns})",
            self.rows,
            self.columns
        );
    }
}

/// A rectangle of a row-major matrix, for kernels. Rows begin `stride` floats apart. A caller that writes to an area sees
/// to it that nobody else touches it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    at: *mut f32,
    stride: usize,
    pub rows: usize,
    pub columns: usize,
}

// SAFETY: threads write disjoint parts only, as the type demands.
unsafe impl Send for Area {}
// SAFETY: as above.
unsafe impl Sync for Area {}

impl Area {
    /// Makes an area of memory.
    ///
    /// # Safety
    /// The memory is there: rows of `columns` floats that begin `stride` apart.
    pub unsafe fn new(at: *mut f32, stride: usize, rows: usize, columns: usize) -> Area {
        Area { at, stride, rows, columns }
    }

    /// Returns a smaller rectangle.
    ///
    /// # Panics
    /// If it does not lie inside.
    pub fn part(&self, rows: Range<usize>, columns: Range<usize>) -> Area {
        assert!(rows.end <= self.rows && columns.end <= self.columns, "area: {rows:?} × {columns:?} is outside");
        let at = self.at.wrapping_add(rows.start * self.stride + columns.start);
        Area { at, rows: rows.len(), columns: columns.len(), ..*self }
    }

    /// Returns where a row begins.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> *mut f32 {
        assert!(row < self.rows, "area: row {row} of {}", self.rows);
        self.at.wrapping_add(row * self.stride)
    }

    /// Returns the rows, and the floats that lie between them.
    ///
    /// # Safety
    /// Nobody writes to it as long as the slice is used.
    pub unsafe fn data<'a>(self) -> &'a [f32] {
        let len = if self.rows == 0 { 0 } else { (self.rows - 1) * self.stride + self.columns };
        // SAFETY: an area's memory is there; the caller's promise.
        unsafe { std::slice::from_raw_parts(self.at, len) }
    }

    /// Returns the distance between the beginnings of two rows, in floats.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Fills the area with zeros.
    pub fn clear(self) {
        for row in 0..self.rows {
            // SAFETY: an area's memory is there, and its writer sees to it that nobody else touches it.
            unsafe { std::ptr::write_bytes(self.row(row), 0, self.columns) };
        }
    }

    /// Calls `work` on parts of `block` rows, on all threads.
    pub fn for_each_block(self, block: usize, work: impl Fn(Range<usize>, Area) + Sync) {
        for_each(self.rows.div_ceil(block), |b| {
            let rows = b * block..self.rows.min((b + 1) * block);
            work(rows.clone(), self.part(rows, 0..self.columns));
        });
    }

    /// Asserts that two areas have one shape.
    pub fn assert_like(&self, other: &Area) {
        assert_eq!((self.rows, self.columns), (other.rows, other.columns), "area: shapes differ");
    }
}
