//! Where a command computes: the processor, or a GPU that passes its self-test.

use super::neighbors;
use crate::error::refusal;
use anyhow::{Result, anyhow};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;
use tagsmith_kernel::device::{DeviceInfo, Error, Places, devices};
use tagsmith_kernel::{Device, trial};
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_train::memory::size;

/// Where a command computes, as the user says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum DeviceChoice {
    /// The first GPU that passes its self-test, from the rank's own on; without one, the processor.
    Auto,
    /// The processor.
    #[default]
    Processor,
    /// The GPU of this number in the driver's list, or the rank's own.
    Cuda(Option<usize>),
    /// A GPU that the processor emulates, instruction by instruction: for tests, and for reports of what is wrong.
    Emulated,
}

impl DeviceChoice {
    /// What a choice is called.
    pub const NAMES: &str = "auto, cpu, cuda, cuda:N or emulated";

    /// Returns the choice of that name.
    pub fn named(name: &str) -> Option<DeviceChoice> {
        match name {
            "auto" => Some(DeviceChoice::Auto),
            "cpu" => Some(DeviceChoice::Processor),
            "cuda" => Some(DeviceChoice::Cuda(None)),
            "emulated" => Some(DeviceChoice::Emulated),
            _ => name.strip_prefix("cuda:")?.parse().ok().map(|number| DeviceChoice::Cuda(Some(number))),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Processor => f.write_str("cpu"),
            DeviceChoice::Cuda(None) => f.write_str("cuda"),
            DeviceChoice::Cuda(Some(ordinal)) => write!(f, "cuda:{ordinal}"),
            DeviceChoice::Emulated => f.write_str("emulated"),
        }
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> String {
        choice.to_string()
    }
}

/// Where a command computes, and where it finds what it needs for that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceArgs {
    /// The choice.
    pub device: DeviceChoice,
    /// A folder with NVIDIA's libraries, or Python's `site-packages`, which is looked into first.
    pub cuda_libraries: Option<PathBuf>,
    /// The place of this rank among those of its machine: ranks have the GPUs in turn.
    #[serde(skip)]
    pub place: usize,
}

impl DeviceArgs {
    /// Returns the same of this rank.
    #[must_use]
    pub fn of_rank(&self, world: &World) -> DeviceArgs {
        DeviceArgs { place: neighbors::place(world), ..self.clone() }
    }

    /// Opens the device, and returns notes about it. A real GPU passed its self-test.
    ///
    /// # Errors
    /// A GPU that was asked for and cannot be used, with a remedy.
    pub fn open(&self) -> Result<(Device, Vec<Note>)> {
        match self.device {
            DeviceChoice::Processor => Ok((Device::Processor, Vec::new())),
            DeviceChoice::Emulated => {
                let note = "a GPU is emulated: every instruction of its kernels runs on the processor, slowly";
                Ok((Device::emulated(1)?, vec![Note::once(note)]))
            }
            DeviceChoice::Cuda(number) => self.open_gpu(number),
            DeviceChoice::Auto => Ok(self.open_first()),
        }
    }

    /// Opens a device for each of the ranks that work together, as [`DeviceArgs::open`]: all compute on GPUs, or all on
    /// processors.
    ///
    /// # Errors
    /// The errors of [`DeviceArgs::open`].
    pub fn open_on_ranks(&self, world: &World) -> Result<(Device, Vec<Note>)> {
        let opened = self.of_rank(world).open()?;
        let on_gpus = world.sum(f64::from(u8::from(matches!(opened.0, Device::Gpu(_))))) as usize;
        if on_gpus == 0 || on_gpus == world.size() {
            return Ok(opened);
        }
        let idle = format!("{on_gpus} of {} ranks have a GPU: all compute on processors", world.size());
        Ok((Device::Processor, vec![Note::once(idle).important()]))
    }

    /// Does the self-test of each device that the choice may mean, and returns what came of it.
    ///
    /// # Errors
    /// A GPU that was asked for and is not there.
    pub fn test(&self) -> Result<Vec<Tested>> {
        let tested = |device: String, test: &dyn Fn() -> Result<Device, String>| {
            let started = Instant::now();
            let failure = test().err();
            Tested { device, failure, seconds: started.elapsed().as_secs_f64() }
        };
        let emulator = || {
            let device = Device::emulated(1).map_err(|error| error.to_string())?;
            proven(device)
        };
        let gpus = match self.device {
            DeviceChoice::Processor => return Ok(Vec::new()),
            DeviceChoice::Emulated => return Ok(vec![tested("the emulated GPU".into(), &emulator)]),
            DeviceChoice::Auto => match devices(&self.places()) {
                Err(Error::Missing(_)) => Vec::new(),
                gpus => gpus?,
            },
            DeviceChoice::Cuda(number) => vec![self.gpu(number).map_err(|reason| anyhow!(reason))?],
        };
        let name = |gpu: &DeviceInfo| format!("GPU {}, {}", gpu.ordinal, gpu.name);
        Ok(gpus.iter().map(|gpu| tested(name(gpu), &|| self.opened(gpu))).collect())
    }

    /// Returns where libraries are looked for.
    pub fn places(&self) -> Places {
        Places { folders: self.cuda_libraries.iter().cloned().collect(), system: true }
    }

    /// Returns the GPU of this number, or the rank's own, or why it is not there.
    fn gpu(&self, number: Option<usize>) -> Result<DeviceInfo, String> {
        let gpus = devices(&self.places()).map_err(|error| error.to_string())?;
        let all = gpus.len();
        let number = number.unwrap_or(self.place % all.max(1));
        let gpu = gpus.into_iter().nth(number);
        gpu.ok_or_else(|| format!("there is no GPU {number}: the driver shows {all}, counted from 0"))
    }

    fn open_gpu(&self, number: Option<usize>) -> Result<(Device, Vec<Note>)> {
        let here = || Remedy::SetTo(Setting::Device, "cpu".into()).so_as("to do without");
        let gpu = self.gpu(number).map_err(|reason| refusal(reason, here()))?;
        if let Err(missing) = &gpu.products {
            return Err(refusal(missing, Remedy::set(Setting::CudaLibraries)));
        }
        match self.opened(&gpu) {
            Ok(device) => {
                let notes = computes(&gpu, &device);
                Ok((device, notes))
            }
            Err(reason) => Err(refusal(unused(&gpu, &reason), here())),
        }
    }

    fn open_first(&self) -> (Device, Vec<Note>) {
        let mut notes = Vec::new();
        let gpus = match devices(&self.places()) {
            Ok(gpus) => gpus,
            // No GPU was asked for.
            Err(Error::Missing(_)) => Vec::new(),
            Err(error) => {
                notes.push(
                    Note::once(format!("the processor computes, since NVIDIA's driver fails: {error}")).important(),
                );
                Vec::new()
            }
        };
        let (before, after) = gpus.split_at(self.place % gpus.len().max(1));
        for gpu in after.iter().chain(before) {
            let said = match self.opened(gpu) {
                Ok(device) => {
                    notes.extend(computes(gpu, &device));
                    return (device, notes);
                }
                Err(reason) => Note::once(unused(gpu, &reason)).important(),
            };
            notes.push(match &gpu.products {
                Ok(_) => said,
                Err(_) => said.with_remedy(Remedy::set(Setting::CudaLibraries)),
            });
        }
        (Device::Processor, notes)
    }

    /// Returns a GPU that passed its self-test, or why it is not used.
    fn opened(&self, gpu: &DeviceInfo) -> Result<Device, String> {
        proven(Device::cuda(&self.places(), gpu.ordinal).map_err(|error| error.to_string())?)
    }
}

/// What came of a device's self-test.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// The device's name.
    pub device: String,
    /// Why the device is not used, if it is not.
    pub failure: Option<String>,
    /// Seconds that it took to open and test the device.
    pub seconds: f64,
}

fn proven(device: Device) -> Result<Device, String> {
    match trial::self_test(&device) {
        Ok(()) => Ok(device),
        Err(failure) => Err(format!("it fails its self-test: {failure}")),
    }
}

/// Says that a GPU computes, and what the self-test showed of how it works.
fn computes(gpu: &DeviceInfo, device: &Device) -> Vec<Note> {
    let said = Note::once(format!("GPU {} computes: {}, {}", gpu.ordinal, gpu.name, size(gpu.memory)));
    [Some(said), news(device, None)].into_iter().flatten().collect()
}

/// Returns what a user should know of how a device works, if it was not known.
pub fn news(device: &Device, known: Option<&str>) -> Option<Note> {
    let remark = device.remark().filter(|remark| Some(remark.as_str()) != known)?;
    Some(Note::once(format!("of the GPU: {remark}")))
}

fn unused(gpu: &DeviceInfo, reason: &str) -> String {
    format!("GPU {}, {}, is not used: {reason}", gpu.ordinal, gpu.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_have_names() {
        for name in ["auto", "cpu", "cuda", "cuda:0", "cuda:17", "emulated"] {
            assert_eq!(DeviceChoice::named(name).map(|choice| choice.to_string()).as_deref(), Some(name));
        }
        for name in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CUDA", "cuda0", "mps"] {
            assert_eq!(DeviceChoice::named(name), None, "{name}");
        }
    }
}
