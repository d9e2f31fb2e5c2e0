//! Two radios on two controllers of one BlueZ, for `tests/ble/vm`: `bluez_lab SCENARIO…`, or
//! `bluez_lab look on|off|absent|forbidden`. Prints a line for each step; exits 1 at the first that fails.

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    lab::main().await
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[allow(clippy::print_stdout)]
mod lab {
    use std::collections::BTreeMap;
    use std::process::{Command, ExitCode};
    use std::time::Duration;

    use bytes::Bytes;
    use sovereign_node::adapters::bluez::{BluezRadio, Config, look};
    use sovereign_node::ports::radio::{
        Advertising, Bearer, Radio, RadioAddress, RadioCommand, RadioError, RadioEvent, RadioState,
        ScanDuty,
    };
    use sovereign_protocol::id::{DiscoveryId, LinkId};
    use sovereign_protocol::link_kind::Role;
    use sovereign_protocol::radio::advert::{
        self, Capabilities, Hello, Pdu, Sighting, advertisement, scan_response,
    };
    use tokio::time::{Instant, timeout};

    type Result<T> = std::result::Result<T, String>;

    /// Longest wait for anything.
    const PATIENCE: Duration = Duration::from_secs(60);
    /// `btvirt` reports an advertisement only when it or the scan starts.
    const AGAIN: Duration = Duration::from_secs(3);
    /// Attempts to connect.
    const ATTEMPTS: usize = 3;
    /// Shortest longest frame of a link.
    const MIN_FRAME: u16 = 100;
    /// Frames each way.
    const FRAMES: u32 = 300;

    pub(super) async fn main() -> ExitCode {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).init();
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["look", state] => expect_look(state).await,
            [] => Err("which scenario?".to_owned()),
            ref names => all(names).await,
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                println!("FAILED {why}");
                ExitCode::FAILURE
            }
        }
    }

    async fn all(names: &[&str]) -> Result<()> {
        for name in names {
            let start = Instant::now();
            match *name {
                "gatt" => traffic(false).await,
                "l2cap" => traffic(true).await,
                "loss" => loss().await,
                "rotation" => rotation().await,
                "service" => service().await,
                other => Err(format!("there is no scenario {other}")),
            }
            .map_err(|why| format!("{name}: {why}"))?;
            println!("PASSED {name} in {:.1} s", start.elapsed().as_secs_f32());
        }
        Ok(())
    }

    async fn expect_look(expected: &str) -> Result<()> {
        let state = look(&Config::default()).await;
        let word = match &state {
            RadioState::On => "on",
            RadioState::Off(_) => "off",
            RadioState::Forbidden(_) => "forbidden",
            RadioState::Absent(_) => "absent",
        };
        println!("look: {state:?}");
        (word == expected)
            .then_some(())
            .ok_or(format!("expected {expected}"))
    }

    /// A radio of the two.
    struct Side {
        name: &'static str,
        radio: BluezRadio,
    }

    struct Up {
        link: LinkId,
        max_frame: u16,
    }

    impl Side {
        async fn start(name: &'static str, l2cap: bool) -> Result<Self> {
            let adapter = Some(name.to_owned());
            let radio = BluezRadio::start(Config { adapter, l2cap });
            let mut side = Self { name, radio };
            side.on().await?;
            Ok(side)
        }

        fn submit(&mut self, command: RadioCommand) -> Result<()> {
            let said = self.radio.submit(command);
            said.map_err(|e| format!("{}: {e}", self.name))
        }

        async fn until<T>(
            &mut self,
            what: &str,
            mut wanted: impl FnMut(RadioEvent) -> Option<T>,
        ) -> Result<T> {
            let found = timeout(PATIENCE, async {
                loop {
                    if let Some(found) = wanted(self.radio.next().await) {
                        return found;
                    }
                }
            });
            let name = self.name;
            let found = found
                .await
                .map_err(|_| format!("{name}: never came: {what}"))?;
            println!("  {name}: {what}");
            Ok(found)
        }

        async fn on(&mut self) -> Result<()> {
            let is_on = |event| (event == RadioEvent::State(RadioState::On)).then_some(());
            self.until("on", is_on).await
        }

        async fn off(&mut self) -> Result<()> {
            let off = |event| match event {
                RadioEvent::State(RadioState::Off(why)) => Some(why),
                _ => None,
            };
            let why = self.until("off", off).await?;
            println!("  {}: {why}", self.name);
            Ok(())
        }

        /// The link that was dialled.
        async fn dialled(&mut self, bearer: Bearer) -> Result<Up> {
            let wanted = |event| match event {
                RadioEvent::Up {
                    link,
                    max_frame,
                    role: Role::Dialer,
                    bearer,
                    ..
                } => Some(Ok((Up { link, max_frame }, bearer))),
                RadioEvent::ConnectFailed { why, .. } => Some(Err(why)),
                _ => None,
            };
            let (up, over) = self.until("up", wanted).await??;
            self.tell(&up, Role::Dialer, over);
            if over == bearer && up.max_frame >= MIN_FRAME {
                return Ok(up);
            }
            self.submit(RadioCommand::Close(up.link))?;
            self.down(up.link).await?;
            Err("not the link that was expected".to_owned())
        }

        /// The link that the other side dialled; those that came to nothing may have come before.
        async fn taken(&mut self, wanted: Bearer) -> Result<Up> {
            let taken = |event| match event {
                RadioEvent::Up {
                    link,
                    max_frame,
                    role: Role::Listener,
                    bearer,
                    ..
                } if bearer == wanted => Some(Up { link, max_frame }),
                _ => None,
            };
            let up = self.until("up", taken).await?;
            self.tell(&up, Role::Listener, wanted);
            let long = up.max_frame >= MIN_FRAME;
            long.then_some(up)
                .ok_or("its frames are too short".to_owned())
        }

        fn tell(&self, up: &Up, role: Role, bearer: Bearer) {
            let Up { link, max_frame } = up;
            println!(
                "  {}: {link:?} {bearer:?} {role:?}, frames of {max_frame}",
                self.name
            );
        }

        /// Hears `who` and dials it; tries again, as a node does, where a controller was not advertising at that
        /// very moment, as `btvirt` wants it, or the channel was refused.
        async fn connect(&mut self, who: &mut Self, id: DiscoveryId, bearer: Bearer) -> Result<Up> {
            let mut failed = Ok(());
            for _ in 0..ATTEMPTS {
                let address = sighted(self, who, id).await?;
                self.submit(RadioCommand::Connect(address))?;
                match self.dialled(bearer).await {
                    Err(why) => failed = Err(why),
                    up => return up,
                }
                println!("  {}: {failed:?}", self.name);
            }
            failed.and(Err("no attempt was made".to_owned()))
        }

        async fn down(&mut self, of: LinkId) -> Result<()> {
            let down = |event| match event {
                RadioEvent::Down { link, why } if link == of => Some(why),
                _ => None,
            };
            let why = self.until("down", down).await?;
            println!("  {}: {why}", self.name);
            Ok(())
        }
    }

    fn advertising(id: DiscoveryId) -> Advertising {
        let capabilities = Capabilities::L2CAP;
        let psm = None;
        Advertising {
            data: Bytes::copy_from_slice(&advertisement()),
            scan_response: Bytes::copy_from_slice(&scan_response(&id, capabilities)),
            hello: Bytes::copy_from_slice(
                &Hello {
                    id,
                    capabilities,
                    psm,
                }
                .encode(),
            ),
            interval: Duration::from_millis(100),
            connectable: true,
            address: [id.0[0]; 6],
        }
    }

    /// Lets `who` be heard by `by`; returns the address.
    async fn sighted(by: &mut Side, who: &mut Side, id: DiscoveryId) -> Result<RadioAddress> {
        let always = Duration::from_millis(100);
        let duty = ScanDuty {
            window: always,
            interval: always,
        };
        by.submit(RadioCommand::Scan(Some(duty)))?;
        for _ in 0..10 {
            who.submit(RadioCommand::Advertise(Some(advertising(id))))?;
            let heard = timeout(AGAIN, async {
                loop {
                    let RadioEvent::Sighted {
                        address,
                        heard,
                        rssi_dbm,
                    } = by.radio.next().await
                    else {
                        continue;
                    };
                    let sighting = advert::from_raw(Pdu::Extended, &heard, &[]);
                    let full = Sighting::Full {
                        id,
                        capabilities: Capabilities::L2CAP,
                    };
                    if sighting == Ok(Some(full)) {
                        return (address, rssi_dbm);
                    }
                }
            });
            if let Ok((address, rssi)) = heard.await {
                println!("  {}: sighted {id} at {address:x?}, {rssi:?} dBm", by.name);
                return match rssi {
                    None => Ok(address),
                    Some(dbm) => Err(format!("btvirt reports 127, this is {dbm}")),
                };
            }
        }
        Err(format!("{} never heard {} ", by.name, who.name))
    }

    async fn linked(l2cap: bool, id: DiscoveryId) -> Result<(Side, Up, Side, Up)> {
        let mut a = Side::start("hci0", l2cap).await?;
        let mut b = Side::start("hci1", l2cap).await?;
        let bearer = if l2cap { Bearer::L2cap } else { Bearer::Gatt };
        let here = a.connect(&mut b, id, bearer).await?;
        let there = b.taken(bearer).await?;
        Ok((a, here, b, there))
    }

    /// Sends and takes [`FRAMES`] of full size; returns how often the order broke.
    async fn exchange(side: &mut Side, up: &Up) -> Result<u32> {
        let (mut sent, mut came) = (0, BTreeMap::new());
        let (mut breaks, mut last, mut lost) = (0, None, 0);
        let full = |number: u32| {
            let mut frame = number.to_be_bytes().to_vec();
            frame.resize(usize::from(up.max_frame), number.to_le_bytes()[0]);
            Bytes::from(frame)
        };
        let start = Instant::now();
        let all = timeout(PATIENCE, async {
            while sent < FRAMES || came.len() < FRAMES as usize {
                let mut busy = false;
                while sent < FRAMES && !busy {
                    let (link, frame) = (up.link, full(sent));
                    match side.radio.submit(RadioCommand::Send { link, frame }) {
                        Ok(()) => sent += 1,
                        Err(RadioError::Busy) => busy = true,
                        Err(error) => return Err(error.to_string()),
                    }
                }
                if sent == FRAMES && came.len() == FRAMES as usize {
                    break;
                }
                match side.radio.next().await {
                    RadioEvent::Frame { link, frame } if link == up.link => {
                        let number = frame.first_chunk().map(|n| u32::from_be_bytes(*n));
                        let number = number.ok_or("a short frame")?;
                        if frame[4..]
                            .iter()
                            .any(|byte| *byte != number.to_le_bytes()[0])
                        {
                            return Err(format!("frame {number} is not what was sent"));
                        }
                        *came.entry(number).or_insert(0) += 1;
                        breaks += u32::from(last.is_some_and(|last| number != last + 1));
                        last = Some(number);
                    }
                    RadioEvent::Down { why, .. } => return Err(why),
                    RadioEvent::Overflow(count) => lost += count,
                    _ => {}
                }
            }
            Ok(())
        });
        let ended = all.await;
        let name = side.name;
        let once = came.values().filter(|count| **count == 1).count();
        println!(
            "  {name}: {sent} sent, {once} of {FRAMES} came once, {breaks} breaks of order, {lost} overflowed, \
             {:.1} s",
            start.elapsed().as_secs_f32()
        );
        ended.map_err(|_| format!("{name}: frames are missing"))??;
        let complete = once == FRAMES as usize && lost == 0;
        complete
            .then_some(breaks)
            .ok_or(format!("{name}: not each frame once"))
    }

    async fn both(a: &mut Side, here: &Up, b: &mut Side, there: &Up) -> Result<()> {
        let (one, other) = tokio::join!(exchange(a, here), exchange(b, there));
        one.and(other).map(drop)
    }

    async fn traffic(l2cap: bool) -> Result<()> {
        let (mut a, here, mut b, there) = linked(l2cap, DiscoveryId([1; 8])).await?;
        a.submit(RadioCommand::Scan(None))?;
        // Service data, and the list of UUIDs, which iOS looks for.
        let active = property("hci1", "org.bluez.LEAdvertisingManager1", "ActiveInstances")?;
        active.contains("byte 2").then_some(()).ok_or(active)?;
        both(&mut a, &here, &mut b, &there).await?;
        b.submit(RadioCommand::Close(there.link))?;
        b.down(there.link).await?;
        a.down(here.link).await?;
        // And again, closed by who dialled.
        let bearer = if l2cap { Bearer::L2cap } else { Bearer::Gatt };
        let here = a.connect(&mut b, DiscoveryId([1; 8]), bearer).await?;
        let there = b.taken(bearer).await?;
        a.submit(RadioCommand::Close(here.link))?;
        a.down(here.link).await?;
        b.down(there.link).await
    }

    fn property(adapter: &str, interface: &str, name: &str) -> Result<String> {
        let path = format!("/org/bluez/{adapter}");
        let arguments = ["--system", "--print-reply", "--dest=org.bluez", &path];
        let get = "org.freedesktop.DBus.Properties.Get";
        let names = [format!("string:{interface}"), format!("string:{name}")];
        run(Command::new("dbus-send")
            .args(arguments)
            .arg(get)
            .args(names))
    }

    fn power(adapter: &str, on: bool) -> Result<()> {
        let path = format!("/org/bluez/{adapter}");
        let value = format!("variant:boolean:{on}");
        run(Command::new("dbus-send")
            .args(["--system", "--print-reply", "--dest=org.bluez", &path])
            .args([
                "org.freedesktop.DBus.Properties.Set",
                "string:org.bluez.Adapter1",
                "string:Powered",
                &value,
            ]))
        .map(drop)
    }

    fn run(command: &mut Command) -> Result<String> {
        let output = command.output().map_err(|e| e.to_string())?;
        let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let done = output.status.success().then(|| said(&output.stdout));
        done.ok_or_else(|| said(&output.stderr))
    }

    /// The listener's controller is switched off and on.
    async fn loss() -> Result<()> {
        let (mut a, here, mut b, there) = linked(false, DiscoveryId([2; 8])).await?;
        power("hci1", false)?;
        b.down(there.link).await?;
        b.off().await?;
        a.down(here.link).await?;
        let refused = b.radio.submit(RadioCommand::Scan(None));
        if refused != Err(RadioError::Unavailable) {
            return Err(format!("switched off, it says {refused:?}"));
        }
        power("hci1", true)?;
        b.on().await?;
        let here = a.connect(&mut b, DiscoveryId([2; 8]), Bearer::Gatt).await?;
        let there = b.taken(Bearer::Gatt).await?;
        // Who drops a radio leaves nobody with a link that is not there.
        drop(a);
        println!("  dropped {:?}", here.link);
        b.down(there.link).await
    }

    /// A new id while a link stays.
    async fn rotation() -> Result<()> {
        let (mut a, here, mut b, there) = linked(false, DiscoveryId([3; 8])).await?;
        sighted(&mut a, &mut b, DiscoveryId([4; 8])).await?;
        a.submit(RadioCommand::Scan(None))?;
        b.submit(RadioCommand::Advertise(None))?;
        both(&mut a, &here, &mut b, &there).await?;
        a.submit(RadioCommand::Close(here.link))?;
        a.down(here.link).await?;
        b.down(there.link).await
    }

    /// The service ends and starts again.
    async fn service() -> Result<()> {
        let (mut a, here, mut b, there) = linked(true, DiscoveryId([5; 8])).await?;
        run(Command::new("/lab/bluetoothd").arg("stop"))?;
        tokio::try_join!(a.down(here.link), b.down(there.link))?;
        tokio::try_join!(a.off(), b.off())?;
        run(Command::new("/lab/bluetoothd").arg("unconnected"))?;
        run(Command::new("/lab/bluetoothd").arg("start"))?;
        tokio::try_join!(a.on(), b.on())?;
        a.connect(&mut b, DiscoveryId([6; 8]), Bearer::L2cap)
            .await?;
        b.taken(Bearer::L2cap).await.map(drop)
    }
}
