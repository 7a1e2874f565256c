//! One colour for each shard, the same in the terminal and in the picture.
//!
//! Owns which colours there are and what can be read on them; leaves to others where they are used. No meaning rests on
//! colour alone: whoever uses these also prints the shard's number or name.

use std::fmt;

/// A colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rgb(
    /// Red.
    pub u8,
    /// Green.
    pub u8,
    /// Blue.
    pub u8,
);

/// The first shards' colours: after Okabe and Ito, "Color Universal Design" (2008), which people with the common kinds
/// of colour blindness tell apart; the yellow is darkened to stand out from a white page.
const FIRST: [Rgb; 7] = [
    Rgb(0x00, 0x72, 0xb2),
    Rgb(0xe6, 0x9f, 0x00),
    Rgb(0x00, 0x9e, 0x73),
    Rgb(0xcc, 0x79, 0xa7),
    Rgb(0x56, 0xb4, 0xe9),
    Rgb(0xd5, 0x5e, 0x00),
    Rgb(0xdc, 0xc8, 0x36),
];

/// The golden angle in degrees: turning by it again and again never comes near a hue that was used a few turns ago.
const GOLDEN_ANGLE: f64 = 137.507_764;

/// The lightness of the colours beyond the first, in turn: neighbours differ even where their hues are confused.
const LIGHTNESS: [f64; 3] = [0.80, 0.52, 0.66];

/// The first hue of those, in degrees: with it the next nine stay farthest from each other and from [`FIRST`].
const FIRST_HUE: f64 = 290.0;

/// The colour of the shard at `index`, from 0, for any number of shards.
///
/// ```
/// use slotwright_topology::palette;
///
/// assert_eq!(palette::shard(0).to_string(), "#0072b2");
/// assert_ne!(palette::shard(99), palette::shard(100));
/// ```
pub fn shard(index: usize) -> Rgb {
    match FIRST.get(index) {
        Some(colour) => *colour,
        None => {
            let turn = index - FIRST.len();
            let lightness = LIGHTNESS.get(turn % LIGHTNESS.len()).copied().unwrap_or(0.66);
            from_oklch(lightness, 0.15, FIRST_HUE + GOLDEN_ANGLE * turn as f64)
        }
    }
}

impl Rgb {
    /// Almost black or white, whichever is easier to read on this colour.
    pub fn ink(self) -> Self {
        // Where contrast with white and with black is equal, by WCAG 2's formula; a little in favour of white, which
        // looks better on the saturated colours used here.
        if self.luminance() < 0.26 { Self(0xff, 0xff, 0xff) } else { Self(0x17, 0x1c, 0x24) }
    }

    /// This colour mixed with white; `strength` from 0 (white) to 1 (unchanged).
    pub fn tint(self, strength: f64) -> Self {
        let mix =
            |channel: u8| (255.0 - (255.0 - f64::from(channel)) * strength.clamp(0.0, 1.0)).round() as u8;
        Self(mix(self.0), mix(self.1), mix(self.2))
    }

    /// The nearest of the 256 colours that nearly every terminal has (xterm's numbering, 16 to 255).
    pub fn to_ansi256(self) -> u8 {
        const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
        let nearest = |channel: u8| {
            let levels = LEVELS.iter().zip(0_u8..);
            levels
                .min_by_key(|(level, _)| level.abs_diff(channel))
                .map_or((0, 0), |(level, number)| (*level, number))
        };
        let ((red, r), (green, g), (blue, b)) = (nearest(self.0), nearest(self.1), nearest(self.2));
        let mean = (u16::from(self.0) + u16::from(self.1) + u16::from(self.2)) / 3;
        let step = (mean.saturating_sub(3) / 10).min(23) as u8;
        let grey = 8 + 10 * step;
        if self.distance(Self(grey, grey, grey)) < self.distance(Self(red, green, blue)) {
            232 + step
        } else {
            16 + 36 * r + 6 * g + b
        }
    }

    fn distance(self, other: Self) -> u32 {
        let square = |one: u8, two: u8| u32::from(one.abs_diff(two)).pow(2);
        square(self.0, other.0) + square(self.1, other.1) + square(self.2, other.2)
    }

    /// Relative luminance, 0 to 1 (WCAG 2).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

impl fmt::Display for Rgb {
    /// `#rrggbb`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// OKLCH to sRGB (B. Ottosson, "A perceptual color space for image processing", 2020). Hue in degrees; chroma is
/// lowered as far as needed for the colour to exist on a screen.
fn from_oklch(lightness: f64, mut chroma: f64, hue: f64) -> Rgb {
    let (sin, cos) = hue.to_radians().sin_cos();
    loop {
        let (a, b) = (chroma * cos, chroma * sin);
        let long = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
        let medium = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
        let short = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
        let channels = [
            4.076_741_662_1 * long - 3.307_711_591_3 * medium + 0.230_969_929_2 * short,
            -1.268_438_004_6 * long + 2.609_757_401_1 * medium - 0.341_319_396_5 * short,
            -0.004_196_086_3 * long - 0.703_418_614_7 * medium + 1.707_614_701_0 * short,
        ];
        if chroma <= 0.0 || channels.iter().all(|channel| (0.0..=1.0).contains(channel)) {
            let [red, green, blue] = channels.map(|channel| {
                let channel = channel.clamp(0.0, 1.0);
                let value = if channel <= 0.003_130_8 {
                    12.92 * channel
                } else {
                    1.055 * channel.powf(1.0 / 2.4) - 0.055
                };
                (value * 255.0).round() as u8
            });
            return Rgb(red, green, blue);
        }
        chroma -= 0.005;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_clearly_and_nothing_repeats_soon() {
        let colours: Vec<Rgb> = (0..200).map(shard).collect();
        for (index, pair) in colours.windows(2).enumerate() {
            assert!(pair[0].distance(pair[1]) > 60 * 60, "{index}: {} {}", pair[0], pair[1]);
            assert_ne!(pair[0].to_ansi256(), pair[1].to_ansi256(), "{index}");
        }
        for (index, colour) in colours.iter().enumerate().take(120) {
            assert!(!colours[..index].contains(colour), "{index} repeats {colour}");
        }
    }

    #[test]
    fn what_is_written_on_a_colour_can_be_read() {
        for colour in (0..200).map(shard) {
            let (one, two) = (colour.luminance(), colour.ink().luminance());
            let contrast = (one.max(two) + 0.05) / (one.min(two) + 0.05);
            assert!(contrast > 3.3, "{colour}: {contrast:.2}");
        }
    }

    #[test]
    fn known_conversions() {
        assert_eq!(from_oklch(1.0, 0.0, 0.0), Rgb(255, 255, 255));
        assert_eq!(from_oklch(0.0, 0.0, 0.0), Rgb(0, 0, 0));
        // Pure red of sRGB, by the paper's own table.
        let Rgb(red, green, blue) = from_oklch(0.628, 0.2576, 29.23);
        assert!(red >= 252 && green < 20 && blue < 20, "{red} {green} {blue}");
        assert_eq!((Rgb(0, 0, 0).to_ansi256(), Rgb(255, 255, 255).to_ansi256()), (16, 231));
        assert_eq!((Rgb(255, 0, 0).to_ansi256(), Rgb(128, 128, 128).to_ansi256()), (196, 244));
        assert_eq!(Rgb(255, 0, 0).tint(0.0), Rgb(255, 255, 255));
        assert_eq!(Rgb(255, 0, 0).tint(1.0), Rgb(255, 0, 0));
    }
}
