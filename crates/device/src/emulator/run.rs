//! A launch: blocks in a random order, each run to its end.

mod access;
mod block;
mod clocks;
mod collective;
mod execute;
mod warp;

pub mod context;

use crate::Error;
use crate::emulator::memory::Memory;
use crate::emulator::ptx::instruction::{Kernel, Parameter};
use crate::emulator::random::Random;
use crate::emulator::types::Type;
use crate::launch::{Arg, Launch};
use context::{Context, Counts};

/// The most threads of a block, and the most along x, y and z.
const THREADS: u32 = 1024;
const BLOCK: [u32; 3] = [1024, 1024, 64];

/// The most blocks along x, y and z.
const GRID: [u32; 3] = [0x7fff_ffff, 65_535, 65_535];

/// The most blocks that are run in a random order.
const BLOCKS: u64 = 1 << 26;

/// Runs a kernel.
///
/// # Errors
/// The launch does not fit the kernel; a fault that was found, with kernel, line, block and thread.
pub fn launch(
    kernel: &Kernel,
    launch: &Launch,
    memory: &mut Memory,
    random: Random,
    budget: u64,
) -> Result<Counts, Error> {
    let fault = |what: String| Error::Fault(format!("{}: {what}", launch.kernel));
    check_sizes(kernel, launch).map_err(fault)?;
    let arguments = arguments(&kernel.parameters, &launch.args).map_err(fault)?;
    memory.rest();
    let first = memory.begin_epoch().map_err(|mistake| fault(mistake.0))?;
    let mut context = Context::new(kernel, launch, memory, arguments, random, first);
    let [x, y, _] = launch.grid;
    let mut order: Vec<u32> = (0..launch.grid.iter().product()).collect();
    context.random.shuffle(&mut order);
    let mut block = block::Block::new(kernel, launch.block.iter().product(), budget);
    for number in order {
        context.position = [number % x, number / x % y, number / x / y];
        block.run(&mut context)?;
    }
    Ok(context.counts)
}

fn check_sizes(kernel: &Kernel, launch: &Launch) -> Result<(), String> {
    let (block, grid) = (launch.block, launch.grid);
    let product = |sizes: [u32; 3]| sizes.iter().map(|&size| u128::from(size)).product::<u128>();
    let exceeds =
        |sizes: [u32; 3], most: [u32; 3]| sizes.iter().zip(most).any(|(&size, most)| size == 0 || size > most);
    if exceeds(block, BLOCK) || product(block) > THREADS.into() {
        return Err(format!("blocks of {block:?} threads; {BLOCK:?} and {THREADS} in all are the most, 1 the least"));
    }
    if exceeds(grid, GRID) {
        return Err(format!("a grid of {grid:?} blocks; {GRID:?} are the most, 1 the least"));
    }
    if product(grid) > BLOCKS.into() {
        return Err(format!("no grid of {} blocks yet; {BLOCKS} are the most", product(grid)));
    }
    match kernel.threads {
        Some((threads, true)) if threads != block => Err(format!("blocks of {block:?} threads; it takes {threads:?}")),
        Some((threads, false)) if product(block) > product(threads) => {
            Err(format!("blocks of {} threads; it takes {} at most", product(block), product(threads)))
        }
        _ => Ok(()),
    }
}

/// Lays arguments out as the kernel's parameters lie.
fn arguments(parameters: &[Parameter], args: &[Arg]) -> Result<Vec<u8>, String> {
    if parameters.len() != args.len() {
        return Err(format!("{} arguments for {} parameters", args.len(), parameters.len()));
    }
    let mut bytes = Vec::new();
    for (i, (parameter, arg)) in parameters.iter().zip(args).enumerate() {
        let (value, fits) = match (*arg, parameter.ty) {
            (Arg::Address(address), Some(ty)) => (address.to_le_bytes().to_vec(), is_integer(ty, 64)),
            (Arg::U64(number), Some(ty)) => (number.to_le_bytes().to_vec(), is_integer(ty, 64)),
            (Arg::I32(number), Some(ty)) => (number.to_le_bytes().to_vec(), is_integer(ty, 32)),
            (Arg::F32(number), Some(ty)) => (number.to_le_bytes().to_vec(), ty == Type::F32),
            (_, None) => (Vec::new(), false),
        };
        if !fits {
            let ty = parameter.ty.map_or(format!("an array of {} bytes", parameter.bytes), |ty| format!("{ty:?}"));
            return Err(format!("argument {i} is {arg:?}, and parameter `{}` is {ty}", parameter.name));
        }
        bytes.resize(parameter.offset as usize, 0);
        bytes.extend(value);
    }
    Ok(bytes)
}

fn is_integer(ty: Type, bits: u32) -> bool {
    ty.is_integer() && ty.bits() == bits
}
