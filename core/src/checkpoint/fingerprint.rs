//! A number that changes when inputs or options change.

/// FNV-1a, 64 bits: tells runs apart; not meant against forgery.
///
/// ```
/// use cytosol::checkpoint::Fingerprint;
/// let mut a = Fingerprint::default();
/// a.text("sigma").number(84);
/// let mut b = Fingerprint::default();
/// b.text("sigma").number(85);
/// assert_ne!(a.value(), b.value());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Takes in bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    /// Takes in a text and its length.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes()).number(text.len() as u64)
    }

    /// Takes in an integer.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    /// Takes in the bits of floats.
    pub fn floats(&mut self, floats: &[f64]) -> &mut Self {
        for float in floats {
            self.number(float.to_bits());
        }
        self
    }

    /// The number.
    pub fn value(&self) -> u64 {
        self.0
    }
}
