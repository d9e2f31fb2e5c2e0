//! Walls as loss: whatever crosses one is weaker (SIM-1).

use super::scene::Position;

/// A straight wall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wall {
    /// One end.
    pub from: Position,
    /// The other.
    pub to: Position,
    /// What it takes, in dB.
    pub loss_db: f64,
}

/// All walls of a world.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walls(Vec<Wall>);

impl Walls {
    pub(crate) fn new(walls: Vec<Wall>) -> Self {
        Self(walls)
    }

    /// What the walls between two places take, in dB; the same both ways.
    pub(crate) fn loss_db(&self, one: Position, other: Position) -> f64 {
        let crossed = self.0.iter().filter(|wall| wall.parts(one, other));
        crossed.map(|wall| wall.loss_db).sum()
    }
}

impl Wall {
    /// Whether the way from one place to the other crosses it. Who stands in the wall is on neither side.
    fn parts(&self, one: Position, other: Position) -> bool {
        let opposite = |a: f64, b: f64| (a > 0.0 && b < 0.0) || (a < 0.0 && b > 0.0);
        opposite(
            side(self.from, self.to, one),
            side(self.from, self.to, other),
        ) && opposite(side(one, other, self.from), side(one, other, self.to))
    }
}

/// On which side of the line through two places a third lies: by its sign.
fn side(from: Position, to: Position, at: Position) -> f64 {
    (to.x - from.x) * (at.y - from.y) - (to.y - from.y) * (at.x - from.x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, y: f64) -> Position {
        Position { x, y }
    }

    #[test]
    fn what_crosses_walls_loses_the_sum_of_them() {
        let wall = |x, loss_db| Wall {
            from: at(x, -5.0),
            to: at(x, 5.0),
            loss_db,
        };
        let walls = Walls::new(vec![wall(1.0, 12.0), wall(2.0, 8.0)]);
        for (one, other, loss) in [
            (at(0.0, 0.0), at(3.0, 0.0), 20.0),
            (at(3.0, 0.0), at(0.0, 0.0), 20.0),
            (at(0.0, 0.0), at(1.5, 0.0), 12.0),
            (at(0.0, 0.0), at(0.5, 0.0), 0.0),
            (at(0.0, 6.0), at(3.0, 6.0), 0.0),
            (at(0.0, -6.0), at(3.0, -6.0), 0.0),
            (at(1.0, 0.0), at(1.5, 0.0), 0.0),
        ] {
            assert_eq!(walls.loss_db(one, other), loss, "{one:?} {other:?}");
        }
    }
}
