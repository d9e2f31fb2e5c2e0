//! The radio port's contract on BlueZ, for `tests/ble/vm`: `bluez_contract CASE…`; without one it lists the cases.
//! Wants three controllers, hci0 to hci2, which hear each other and nobody else.

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
    use std::process::ExitCode;
    use std::sync::{Mutex, PoisonError};

    use futures::FutureExt as _;
    use sovereign_node::adapters::bluez::{BluezRadio, Config};
    use sovereign_node::contract::radio as contract;
    use sovereign_node::ports::radio::{Radio, RadioCommand, RadioError, RadioEvent, RadioState};
    use tokio::task::JoinHandle;

    /// Radios of the last case that are still falling silent.
    static LEAVING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

    /// The controllers, each given to one radio.
    #[derive(Default)]
    struct Air(u8);

    impl contract::RadioFixture for Air {
        type Port = Leaving;

        async fn join(&mut self) -> Leaving {
            let adapter = Some(format!("hci{}", self.0));
            self.0 += 1;
            let mut radio = BluezRadio::start(Config {
                adapter,
                l2cap: l2cap(),
            });
            // The contract wants a radio that is on; its first event is handed back.
            let first = radio.next().await;
            assert_eq!(first, RadioEvent::State(RadioState::On));
            Leaving(Some(radio), Some(first))
        }
    }

    fn l2cap() -> bool {
        std::env::var_os("LAB_L2CAP").is_some()
    }

    /// A radio whose end can be waited for.
    struct Leaving(Option<BluezRadio>, Option<RadioEvent>);

    impl Radio for Leaving {
        fn submit(&mut self, command: RadioCommand) -> Result<(), RadioError> {
            self.0
                .as_mut()
                .expect("until it is dropped")
                .submit(command)
        }

        async fn next(&mut self) -> RadioEvent {
            match self.1.take() {
                Some(first) => first,
                None => self.0.as_mut().expect("until it is dropped").next().await,
            }
        }
    }

    impl Drop for Leaving {
        fn drop(&mut self) {
            if let Some(radio) = self.0.take() {
                let end = tokio::spawn(radio.shutdown());
                leaving().push(end);
            }
        }
    }

    fn leaving() -> std::sync::MutexGuard<'static, Vec<JoinHandle<()>>> {
        LEAVING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the cases that are named; a case that fails does not end the others.
    macro_rules! cases {
        ($wanted:expr, $failed:expr, $($case:ident)+) => {$(
            if $wanted.is_empty() {
                println!("{}", stringify!($case));
            }
            if $wanted.iter().any(|name| name == stringify!($case)) {
                let start = tokio::time::Instant::now();
                let case = std::panic::AssertUnwindSafe(contract::$case::<Air>());
                let passed = case.catch_unwind().await.is_ok();
                let ends: Vec<_> = leaving().drain(..).collect();
                futures::future::join_all(ends).await;
                let word = if passed { "PASSED" } else { "FAILED" };
                println!("{word} {} in {:.1} s", stringify!($case), start.elapsed().as_secs_f32());
                $failed |= !passed;
            }
        )+};
    }

    pub(super) async fn main() -> ExitCode {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).init();
        let wanted: Vec<String> = std::env::args().skip(1).collect();
        let mut failed = false;
        // Not epoch_changes_the_address: the address is BlueZ's to choose.
        cases!(wanted, failed,
            state_comes_first advertised_is_sighted advertisement_is_replaced
            silence_without_scanning silence_after_advertising connected_is_up_at_both_ends
            link_numbers_are_used_once frames_arrive_intact busy_then_ready
            wrong_lengths_are_refused unknown_is_refused close_is_down_at_both_ends_once
            connect_fails_where_nobody_answers links_outlive_advertising overflow_is_explicit
            dropped_radio_takes_its_links_down next_is_safe_to_cancel);
        if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}
