// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A slice of the campaign against the decoder: what must hold of any record holds of these.

use mutator::campaign;

#[test]
fn two_hundred_thousand_hostile_records_are_refused_or_read_and_reach_every_rule() {
    let tally = campaign::run(1, 0..200_000, None, |_| {}).unwrap_or_else(|what| panic!("{what}"));
    assert_eq!(tally.total(), 200_000);
    tally.check_reach().unwrap();
}
