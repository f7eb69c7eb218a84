//! How gradients travel between ranks whose GPUs learn: by NCCL from GPU to GPU, or through the memory of the processes.

use super::device::DeviceArgs;
use super::neighbors;
use crate::error::refusal;
use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tagsmith_kernel::Device;
use tagsmith_kernel::device::{FoundNccl, Key, link_key, nccl};
use tagsmith_message::{Note, Remedy};
use tagsmith_ranks::World;

type Version = (u32, u32, u32);

/// What a rank tells the others of its GPU.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Member {
    /// See [`neighbors::gpu`].
    gpu: Option<String>,
    /// The version of NCCL, or why there is none.
    nccl: Result<Version, String>,
}

/// Returns a library's version and file.
pub fn told(found: &FoundNccl) -> String {
    format!("{}, {}", named(found.version), found.path.display())
}

fn named((major, minor, patch): Version) -> String {
    format!("{major}.{minor}.{patch}")
}

/// Links the GPUs of ranks that learn together, if NCCL can, and says how gradients travel. All ranks do the same. After
/// learning, all of them end the link ([`Device::unlink`]).
///
/// # Errors
/// NCCL fails on this rank. Others may wait for it until the job ends.
pub fn link(args: &DeviceArgs, world: &World, device: &Device) -> Result<Option<Note>> {
    if world.size() == 1 || matches!(device, Device::Processor) {
        return Ok(None);
    }
    let places = args.places();
    let version = nccl(&places).map(|found| found.version).map_err(|error| error.to_string());
    let members: Vec<Member> = gather(world, &Member { gpu: neighbors::gpu(device), nccl: version })?;
    let how = match agreed(&members) {
        Err(reason) => Err(reason),
        Ok(version) => {
            // One rank makes the key. Where it cannot, nobody waits for anybody yet.
            let made = world.is_first().then(|| link_key(&places).map(Vec::from).map_err(|error| error.to_string()));
            let made: Vec<Option<Result<Vec<u8>, String>>> = gather(world, &made)?;
            let first = made.into_iter().next().flatten().context("the first rank makes the key")?;
            first.map(|key| (version, key))
        }
    };
    Ok(Some(Note::once(match how {
        Err(reason) => format!("gradients travel through host memory: {reason}"),
        Ok((version, key)) => {
            let key: Key = key.try_into().ok().context("a key has 128 bytes")?;
            device.link(&key, world.rank(), world.size()).map_err(|error| {
                let remedy = Remedy::to_do("set NCCL_DEBUG=INFO, with which NCCL tells more");
                refusal(format!("the ranks' GPUs cannot be linked: {error}"), remedy)
            })?;
            format!("gradients travel by NCCL {}", named(version))
        }
    })))
}

/// Returns what every rank tells, in the order of ranks.
fn gather<T: Serialize + DeserializeOwned>(world: &World, mine: &T) -> Result<Vec<T>> {
    let all = world.gather(&serde_json::to_vec(mine)?);
    Ok(all.iter().map(|bytes| serde_json::from_slice(bytes)).collect::<Result<_, _>>()?)
}

/// Returns the version of NCCL by which all can exchange, or why they cannot: the same on all ranks.
fn agreed(members: &[Member]) -> Result<Version, String> {
    let gpus: Option<Vec<&String>> = members.iter().map(|member| member.gpu.as_ref()).collect();
    let Some(gpus) = gpus else { return Err("emulated GPUs have no links".to_owned()) };
    let different = gpus.iter().collect::<BTreeSet<_>>().len();
    if different < members.len() {
        return Err(format!("{} ranks share {different} GPUs, and NCCL wants one for each", members.len()));
    }
    let of_rank = |(rank, member): (usize, &Member)| match &member.nccl {
        Err(reason) if rank > 0 => Err(format!("on rank {rank} {reason}")),
        version => version.clone(),
    };
    let versions = members.iter().enumerate().map(of_rank).collect::<Result<BTreeSet<Version>, String>>()?;
    let names: Vec<String> = versions.iter().copied().map(named).collect();
    match versions.first() {
        Some(version) if versions.len() == 1 => Ok(*version),
        _ => Err(format!("ranks have different versions of NCCL, {}", names.join(" and "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(gpu: &str, version: Version) -> Member {
        Member { gpu: Some(gpu.to_owned()), nccl: Ok(version) }
    }

    #[test]
    fn nccl_takes_ranks_with_a_gpu_each_and_one_version() {
        let new = (2, 27, 3);
        let two = [member("a 0000:01:00.0", new), member("a 0000:02:00.0", new)];
        assert_eq!(agreed(&two), Ok(new));
        // The same place in another machine is another GPU.
        let apart = [member("a 0000:01:00.0", new), member("b 0000:01:00.0", new)];
        assert_eq!(agreed(&apart), Ok(new));
        let refused = |members: &[Member]| agreed(members).unwrap_err();
        let shared = [two[0].clone(), two[0].clone(), two[1].clone()];
        assert_eq!(refused(&shared), "3 ranks share 2 GPUs, and NCCL wants one for each");
        let other = [two[0].clone(), member("a 0000:02:00.0", (2, 26, 2))];
        assert_eq!(refused(&other), "ranks have different versions of NCCL, 2.26.2 and 2.27.3");
        let lacks = |at: usize| {
            let mut members = two.clone();
            members[at].nccl = Err("there is no libnccl.so.2: install it".to_owned());
            members
        };
        assert_eq!(refused(&lacks(0)), "there is no libnccl.so.2: install it");
        assert_eq!(refused(&lacks(1)), "on rank 1 there is no libnccl.so.2: install it");
        let emulated = [Member { gpu: None, ..two[0].clone() }, Member { gpu: None, ..two[1].clone() }];
        assert_eq!(refused(&emulated), "emulated GPUs have no links");
    }

    #[test]
    fn a_rank_alone_says_nothing() {
        let said = |device: &Device| link(&DeviceArgs::default(), &World::alone(), device).expect("nothing fails");
        assert!(said(&Device::Processor).is_none() && said(&Device::emulated(1).expect("it is there")).is_none());
    }
}
