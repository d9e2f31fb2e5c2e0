//! The echo test: a channel that looks open may not be. Who opened it sends 1,024 random bytes, and trusts
//! it once they have come back.

use trouble_host::l2cap::L2capChannel;

use super::pool::Pool;
use super::session::Stack;
use super::MAX_FRAME;

/// Bytes of the test.
const LEN: usize = 1_024;

/// The side that opened the channel.
pub(super) async fn ask(
    channel: &mut L2capChannel<'_, Pool>,
    stack: &Stack<'_>,
    max_frame: u16,
) -> Result<(), String> {
    let mut random = [0; LEN];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    let mut back = 0;
    for sent in random.chunks(usize::from(max_frame)) {
        channel
            .send(stack, sent)
            .await
            .map_err(|error| format!("{error:?}"))?;
    }
    while back < LEN {
        let mut frame = [0; MAX_FRAME as usize];
        let len = receive(channel, stack, &mut frame).await?;
        let expected = random.get(back..back + len);
        if len == 0 || expected != Some(&frame[..len]) {
            return Err("the echo is not what was sent".to_owned());
        }
        back += len;
    }
    Ok(())
}

/// The other side: returns what comes.
pub(super) async fn answer(
    channel: &mut L2capChannel<'_, Pool>,
    stack: &Stack<'_>,
    max_frame: u16,
) -> Result<(), String> {
    let mut returned = 0;
    while returned < LEN {
        let mut frame = [0; MAX_FRAME as usize];
        let len = receive(channel, stack, &mut frame).await?;
        if len == 0 || returned + len > LEN {
            return Err("the echo test has a length of its own".to_owned());
        }
        for part in frame[..len].chunks(usize::from(max_frame)) {
            channel
                .send(stack, part)
                .await
                .map_err(|error| format!("{error:?}"))?;
        }
        returned += len;
    }
    Ok(())
}

async fn receive(
    channel: &mut L2capChannel<'_, Pool>,
    stack: &Stack<'_>,
    into: &mut [u8],
) -> Result<usize, String> {
    channel
        .receive(stack, into)
        .await
        .map_err(|error| format!("{error:?}"))
}
