//! The echo test of a channel (docs/protocol.md, section 12.5) over the host's channels.

use std::time::Duration;

use sovereign_protocol::radio::echo::{Answerer, ECHO_LEN, ECHO_TIMEOUT, Echo, Progress};
use tokio::time::timeout;
use trouble_host::l2cap::L2capChannel;

use super::MAX_FRAME;
use super::link::{Why, words};
use super::pool::Pool;
use super::session::Stack;

/// The time-out is kept here; the state machines are told no time.
const NOW: Duration = Duration::ZERO;

/// The side that opened the channel.
pub(super) async fn ask(
    channel: &mut L2capChannel<'_, Pool>,
    stack: &Stack<'_>,
    max_frame: u16,
) -> Result<(), Why> {
    let mut random = [0; ECHO_LEN];
    getrandom::fill(&mut random).map_err(words)?;
    let mut echo = Echo::new(&random, usize::from(max_frame), NOW);
    let test = async {
        while let Some(frame) = echo.poll_transmit() {
            channel.send(stack, &frame).await.map_err(words)?;
        }
        let mut frame = [0; MAX_FRAME as usize];
        loop {
            let len = channel.receive(stack, &mut frame).await.map_err(words)?;
            match echo.on_frame(&frame[..len]) {
                Ok(Progress::UnderWay) => {}
                Ok(Progress::Passed) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    timeout(ECHO_TIMEOUT, test).await.map_err(words)?
}

/// The other side: returns what comes.
pub(super) async fn answer(
    channel: &mut L2capChannel<'_, Pool>,
    stack: &Stack<'_>,
    max_frame: u16,
) -> Result<(), Why> {
    let mut answerer = Answerer::new(usize::from(max_frame), NOW);
    let test = async {
        let mut frame = [0; MAX_FRAME as usize];
        while answerer.progress() != Progress::Passed {
            let len = channel.receive(stack, &mut frame).await.map_err(words)?;
            answerer
                .on_frame(&frame[..len])
                .map_err(|error| error.to_string())?;
            while let Some(frame) = answerer.poll_transmit() {
                channel.send(stack, &frame).await.map_err(words)?;
            }
        }
        Ok(())
    };
    timeout(ECHO_TIMEOUT, test).await.map_err(words)?
}
