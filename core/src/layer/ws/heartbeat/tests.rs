use super::*;

const PERIOD: Duration = Duration::from_secs(15);

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

/// Started, without the part of chance.
fn started() -> Heartbeat {
    let mut heartbeat = Heartbeat::new(Some(Ping::every(PERIOD)));
    heartbeat.start(at(0), &mut Entropy::new([1; 32]));
    heartbeat.period = PERIOD;
    heartbeat.at = Some(at(15));
    heartbeat
}

fn ping(number: u32) -> Beat {
    Beat::Ping(number.to_be_bytes())
}

#[test]
fn silence_is_asked_once_and_then_death() {
    let mut heartbeat = started();
    assert_eq!(heartbeat.beat(at(14)), Beat::None);
    assert_eq!(heartbeat.beat(at(15)), ping(1));
    assert_eq!(heartbeat.next(), Some(at(30)));
    assert_eq!(heartbeat.beat(at(30)), Beat::Dead(2 * PERIOD));
    assert_eq!(heartbeat.next(), None);
}

#[test]
fn any_byte_is_life_and_moves_no_deadline() {
    let mut heartbeat = started();
    heartbeat.heard(at(10));
    assert_eq!(heartbeat.next(), Some(at(15)));
    assert_eq!(heartbeat.beat(at(15)), Beat::None);
    assert_eq!(heartbeat.next(), Some(at(25)));
    assert_eq!(heartbeat.beat(at(25)), ping(1));
    heartbeat.heard(at(39));
    assert_eq!(heartbeat.beat(at(40)), Beat::None);
    assert_eq!(heartbeat.next(), Some(at(54)));
}

#[test]
fn a_peer_that_may_stall_behind_payload_is_in_doubt_until_it_answers() {
    let mut heartbeat = started();
    heartbeat.sent();
    assert_eq!(heartbeat.beat(at(15)), ping(1));
    assert_eq!(heartbeat.beat(at(30)), Beat::Doubt);
    assert_eq!(heartbeat.beat(at(45)), Beat::Doubt);
    // Payload follows the ping: its answer says nothing about that.
    heartbeat.sent();
    heartbeat.heard(at(50));
    heartbeat.answered(&1_u32.to_be_bytes());
    assert_eq!(heartbeat.beat(at(60)), Beat::None);
    assert_eq!(heartbeat.beat(at(65)), ping(2));
    // An unsolicited pong, or an old one, is life and no answer.
    heartbeat.answered(&[]);
    heartbeat.answered(&1_u32.to_be_bytes());
    assert_eq!(heartbeat.beat(at(80)), Beat::Doubt);
    heartbeat.heard(at(81));
    heartbeat.answered(&2_u32.to_be_bytes());
    assert_eq!(heartbeat.beat(at(96)), ping(3));
    assert_eq!(heartbeat.beat(at(111)), Beat::Dead(2 * PERIOD));
}

#[test]
fn while_we_do_not_read_nobody_dies() {
    let mut heartbeat = started();
    assert_eq!(heartbeat.beat(at(15)), ping(1));
    heartbeat.pause(true, at(16));
    assert_eq!(heartbeat.beat(at(30)), Beat::Pong);
    assert_eq!(heartbeat.beat(at(45)), Beat::Pong);
    heartbeat.pause(false, at(50));
    assert_eq!(heartbeat.beat(at(60)), Beat::None);
    assert_eq!(heartbeat.beat(at(65)), ping(2));
    heartbeat.listens(false);
    assert_eq!(heartbeat.beat(at(80)), Beat::Pong);
    heartbeat.listens(true);
    assert_eq!(heartbeat.beat(at(95)), ping(3));
}

#[test]
fn an_early_question_has_the_same_time_for_its_answer() {
    let mut heartbeat = started();
    assert_eq!(heartbeat.ask(at(3)), Some(1_u32.to_be_bytes()));
    assert_eq!(heartbeat.ask(at(4)), None);
    assert_eq!(heartbeat.next(), Some(at(18)));
    assert_eq!(heartbeat.beat(at(18)), Beat::Dead(Duration::from_secs(18)));
}

#[test]
fn connections_do_not_beat_in_step() {
    let mut entropy = Entropy::new([7; 32]);
    let next = |_| {
        let mut heartbeat = Heartbeat::new(Some(Ping::every(PERIOD)));
        heartbeat.start(at(0), &mut entropy);
        heartbeat.next().unwrap()
    };
    let all: std::collections::BTreeSet<Time> = (0..1000).map(next).collect();
    assert!(all.len() > 990);
    assert!(all.first() >= Some(&at(12)) && all.last() <= Some(&at(15)));
    assert!(all.last().unwrap().since(*all.first().unwrap()) > Duration::from_millis(2800));
}

#[test]
fn no_period_and_a_zero_one_never_beat() {
    for plan in [None, Some(Ping::every(Duration::ZERO))] {
        let mut heartbeat = Heartbeat::new(plan);
        heartbeat.start(at(0), &mut Entropy::new([1; 32]));
        assert_eq!(heartbeat.next(), None);
        assert_eq!(heartbeat.beat(at(100)), Beat::None);
        assert_eq!(heartbeat.ask(at(100)), None);
    }
}

/// A peer that pings more often than we do is never silent, so that nothing else would ask it.
#[test]
fn whether_all_payload_was_read_is_asked_once_it_rests() {
    let mut heartbeat = started();
    heartbeat.sent();
    let mut asked = None;
    for second in 1..60 {
        if second % 10 == 0 {
            heartbeat.heard(at(second));
        }
        match heartbeat.beat(at(second)) {
            Beat::None => {}
            beat => {
                assert_eq!((beat, asked), (ping(1), None));
                asked = Some(second);
                heartbeat.heard(at(second));
                heartbeat.answered(&1_u32.to_be_bytes());
            }
        }
    }
    assert!(asked.is_some_and(|second| second <= 30), "{asked:?}");
    assert_eq!(heartbeat.beat(at(90)), ping(2));
    assert_eq!(heartbeat.beat(at(120)), Beat::Dead(at(120).since(at(50))));
}

#[test]
fn nobody_is_asked_while_payload_moves() {
    for moves in [Heartbeat::sent, Heartbeat::took] {
        let mut heartbeat = started();
        heartbeat.sent();
        for second in 1..100 {
            heartbeat.heard(at(second));
            moves(&mut heartbeat);
            assert_eq!(heartbeat.beat(at(second)), Beat::None);
        }
    }
}

#[test]
fn doubt_is_over_after_four_periods() {
    let mut heartbeat = started();
    heartbeat.sent();
    assert_eq!(heartbeat.beat(at(15)), ping(1));
    for second in [30, 45] {
        assert_eq!(heartbeat.beat(at(second)), Beat::Doubt);
        assert!(!heartbeat.is_over(at(second)));
    }
    assert_eq!(heartbeat.beat(at(60)), Beat::Doubt);
    assert!(heartbeat.is_over(at(60)));
    heartbeat.heard(at(61));
    assert!(!heartbeat.is_over(at(200)));
}
