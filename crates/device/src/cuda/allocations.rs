//! Which device memory is ours: what every copy, fill and product is held against before the device gets it.

use crate::error::Error;
use crate::multiply::Multiply;
use std::collections::BTreeMap;

/// Allocations by address, with their bytes.
#[derive(Debug, Default)]
pub(super) struct Allocations(BTreeMap<u64, u64>);

impl Allocations {
    /// Takes note of an allocation.
    pub(super) fn add(&mut self, address: u64, bytes: u64) {
        self.0.insert(address, bytes);
    }

    /// Forgets an allocation, and returns whether there was one.
    pub(super) fn remove(&mut self, address: u64) -> bool {
        self.0.remove(&address).is_some()
    }

    /// Forgets all allocations, and returns their addresses.
    pub(super) fn take(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.0).into_keys().collect()
    }

    /// Returns an error for a range that does not lie within one allocation.
    pub(super) fn check(&self, what: &str, address: u64, bytes: u64) -> Result<(), Error> {
        let within = self.0.range(..=address).next_back().is_some_and(|(start, size)| {
            let end = address.checked_add(bytes);
            end.is_some_and(|end| end <= start + size)
        });
        if within {
            return Ok(());
        }
        Err(Error::Fault(format!("{what}: {bytes} bytes at {address:#x} do not lie in memory that was allocated")))
    }

    /// Returns an error for a product with a matrix that does not lie within one allocation.
    pub(super) fn check_product(&self, product: &Multiply) -> Result<(), Error> {
        for (name, matrix) in [("A", &product.a), ("B", &product.b), ("C", &product.c)] {
            let bytes = matrix.extent().ok_or_else(|| Error::Fault(format!("product: {name} is {matrix:?}")))?;
            self.check(&format!("product, {name}"), matrix.address, bytes)?;
        }
        if product.bias != 0 {
            self.check("product, bias", product.bias, product.c.rows.saturating_mul(product.c.element.bytes()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_within_one_allocation() {
        let mut all = Allocations::default();
        all.add(1024, 512);
        all.add(1536, 256);
        for (address, bytes, within) in [
            (1024, 512, true),
            (1535, 1, true),
            (1536, 256, true),
            (1024, 513, false),
            (1023, 1, false),
            (1792, 1, false),
            (1792, 0, true),
            (1500, u64::MAX, false),
        ] {
            assert_eq!(all.check("copy", address, bytes).is_ok(), within, "{address} {bytes}");
        }
        assert!(all.remove(1024) && !all.remove(1024) && all.check("copy", 1024, 1).is_err());
        let error = all.check("copy", 4096, 7).unwrap_err().to_string();
        assert_eq!(error, "copy: 7 bytes at 0x1000 do not lie in memory that was allocated");
    }
}
