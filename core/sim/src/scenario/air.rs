//! What carries: radio, walls, local networks, the Internet.

use std::num::NonZeroU32;

use serde::Deserialize;
use toml::Spanned;

use super::number::{
    Between, Decibels, Every, Exponent, Length, Name, People, Period, Rate, Share,
};
use super::people::Place;
use crate::radio::{self, Dialling, Hardware, Physics, Position, Span};

/// Bluetooth LE.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Radio {
    /// The world's constants to begin with.
    #[serde(default)]
    pub physics: PhysicsName,
    /// What the phones can do.
    #[serde(default)]
    pub hardware: HardwareName,
    /// Instead of the preset's.
    pub path_loss_exponent: Option<Exponent>,
    /// Instead of the preset's.
    pub horizon: Option<Length>,
    /// Standard deviation, instead of the preset's.
    pub shadowing: Option<Decibels>,
    /// Standard deviation, instead of the preset's.
    pub fading: Option<Decibels>,
    /// Instead of the preset's.
    pub advertisement_loss: Option<Share>,
    /// Instead of the preset's.
    pub frame_loss: Option<Share>,
    /// From hearing an advertisement to the link, instead of the preset's.
    pub set_up: Option<Between<Period>>,
    /// From one GATT operation to the next, instead of the preset's.
    pub operation: Option<Between<Period>>,
    /// What a radio moves, instead of the preset's.
    pub bytes_per_second: Option<Rate>,
    /// Walls.
    #[serde(default)]
    pub wall: Vec<Wall>,
}

impl Radio {
    /// The world's constants.
    #[must_use]
    pub fn physics(&self) -> Physics {
        let mut physics = match self.physics {
            PhysicsName::Ideal => Physics::ideal(),
            PhysicsName::Phones => Physics::phones(),
            PhysicsName::Lossy => Physics::lossy(),
        };
        let span = |of: Between<Period>| Span {
            min: of.least.get(),
            max: of.most.get(),
        };
        let set = |to: &mut f64, value: Option<f64>| *to = value.unwrap_or(*to);
        set(
            &mut physics.path_loss_exponent,
            self.path_loss_exponent.map(Exponent::get),
        );
        set(&mut physics.horizon_m, self.horizon.map(Length::get));
        set(
            &mut physics.shadowing.sigma_db,
            self.shadowing.map(Decibels::get),
        );
        set(&mut physics.fading_sigma_db, self.fading.map(Decibels::get));
        set(
            &mut physics.advertisement_loss,
            self.advertisement_loss.map(Share::get),
        );
        set(&mut physics.frame_loss, self.frame_loss.map(Share::get));
        if let (Some(span_of), Dialling::Heard { set_up, .. }) =
            (self.set_up, &mut physics.dialling)
        {
            *set_up = span(span_of);
        }
        if let Some(operation) = self.operation {
            physics.operation = span(operation);
        }
        if let Some(rate) = self.bytes_per_second {
            physics.bytes_per_second = NonZeroU32::new(rate.get());
        }
        physics
    }

    /// What each phone can do.
    #[must_use]
    pub fn hardware(&self) -> Hardware {
        match self.hardware {
            HardwareName::Ideal => Hardware::ideal(),
            HardwareName::Phone => Hardware::phone(),
            HardwareName::SmallMtu => Hardware::small_mtu(),
        }
    }

    /// The walls.
    #[must_use]
    pub fn walls(&self) -> Vec<radio::Wall> {
        self.wall.iter().map(Wall::built).collect()
    }
}

/// A preset of [`Physics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhysicsName {
    /// [`Physics::ideal`].
    Ideal,
    /// [`Physics::phones`].
    #[default]
    Phones,
    /// [`Physics::lossy`].
    Lossy,
}

/// A preset of [`Hardware`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HardwareName {
    /// [`Hardware::ideal`].
    Ideal,
    /// [`Hardware::phone`].
    #[default]
    Phone,
    /// [`Hardware::small_mtu`].
    SmallMtu,
}

/// A wall: whatever crosses it is weaker by so much.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wall {
    /// One end.
    pub from: Place,
    /// The other.
    pub to: Place,
    /// What it takes.
    pub loss: Decibels,
}

impl Wall {
    fn built(&self) -> radio::Wall {
        let at = |place: Place| Position {
            x: place.0.get(),
            y: place.1.get(),
        };
        radio::Wall {
            from: at(self.from),
            to: at(self.to),
            loss_db: self.loss.get(),
        }
    }
}

/// When something is there: from a time on, for a while, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Window {
    /// Since when.
    #[serde(default)]
    pub from: Period,
    /// For how long; to the end when not given.
    #[serde(rename = "for")]
    pub lasts: Option<Every>,
    /// Again after so long; once when not given.
    pub every: Option<Every>,
}

/// A local network: whoever is in it reaches everybody else in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lan {
    /// Its name.
    pub name: Name,
    /// Who is in it.
    pub group: Spanned<Name>,
    /// The first so many of the group; all when not given.
    pub count: Option<People>,
    /// Whether it carries multicast: where it does not, nobody finds anybody.
    #[serde(default = "yes")]
    pub multicast: bool,
    /// When it is there.
    #[serde(default)]
    pub when: Window,
}

/// The Internet: whoever has it reaches everybody else who has.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Internet {
    /// Who has it.
    pub group: Spanned<Name>,
    /// The first so many of the group; all when not given.
    pub count: Option<People>,
    /// When they have it.
    #[serde(default)]
    pub when: Window,
}

const fn yes() -> bool {
    true
}
