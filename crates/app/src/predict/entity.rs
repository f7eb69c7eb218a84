//! An entity in a text for people: in brackets, with its label behind it. One way for all commands.

/// Codes of colors that labels can have.
const COLORS: [u8; 6] = [36, 33, 35, 32, 34, 31];

/// Labels of the commonest data, which have colors of their own.
const KNOWN: [(&str, u8); 4] = [("PER", 36), ("LOC", 32), ("ORG", 33), ("DATE", 35)];

/// Returns `[Laura Bennett PER]`. The color of a label is a function of its name; the brackets say everything that the
/// colors say.
pub fn bracketed(text: &str, label: &str, color: bool) -> String {
    let text = format!("[{text} {label}]");
    if color { format!("\x1b[1;{}m{text}\x1b[0m", color_of(label)) } else { text }
}

fn color_of(label: &str) -> u8 {
    let known = KNOWN.iter().find(|(name, _)| *name == label).map(|&(_, color)| color);
    // FNV-1a: names that differ in a letter differ in all bits.
    let mixed = label.bytes().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    known.unwrap_or(COLORS[mixed as usize % COLORS.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_color_is_the_label_s_and_the_brackets_say_all() {
        assert_eq!(bracketed("Laura Bennett", "PER", false), "[Laura Bennett PER]");
        assert_eq!(bracketed("Laura Bennett", "PER", true), "\x1b[1;36m[Laura Bennett PER]\x1b[0m");
        let labels = ["Chemical", "Disease", "Gene", "Species", "CellLine", "Variant", "MISC", "GPE", "EVENT"];
        let colors: std::collections::BTreeSet<u8> = labels.into_iter().map(color_of).collect();
        assert!(colors.len() >= 4, "{colors:?}");
    }
}
