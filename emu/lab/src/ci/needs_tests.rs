use super::*;

fn facts(config: Option<&str>, drivers: &[Driver]) -> Facts {
    Facts {
        release: Some("7.3.4".into()),
        config: config.map(str::to_owned),
        drivers: drivers.to_vec(),
        lacks: [Vec::new(), Vec::new()],
    }
}

fn case(driver: &str) -> Case {
    let needs = match driver {
        "" => String::new(),
        driver => format!("[needs]\ndriver = \"{driver}\"\n"),
    };
    Case::parse(&format!("{needs}[workload]\nrun = \"true\"\n"), "x").unwrap()
}

#[test]
fn a_driver_that_is_asked_for_must_be_there() {
    let fastrpc = facts(Some("CONFIG_QCOM_FASTRPC=m"), &[Driver::Fastrpc]);
    assert_eq!(fastrpc.unusable(None), None);
    assert_eq!(fastrpc.unusable(Some(Driver::Fastrpc)), None);
    let why = fastrpc.unusable(Some(Driver::Qda)).unwrap();
    assert!(
        why.contains("no qda driver")
            && why.contains("CONFIG_DRM_ACCEL_QDA")
            && why.ends_with("it has fastrpc"),
        "{why}"
    );
    // Modules alone say it, too.
    assert!(
        facts(None, &[Driver::Qda])
            .unusable(Some(Driver::Fastrpc))
            .is_some()
    );
    // Nothing is known: the guest will say.
    assert_eq!(facts(None, &[]).unusable(Some(Driver::Qda)), None);
    assert!(
        facts(Some(""), &[])
            .unusable(None)
            .unwrap()
            .contains("no FastRPC driver")
    );
}

#[test]
fn a_case_that_states_a_driver_is_skipped_elsewhere() {
    let qda = facts(Some("x"), &[Driver::Qda]);
    let setup = Setup::of_tests();
    assert_eq!(qda.lacking(&case(""), &setup), None);
    assert_eq!(qda.lacking(&case("qda"), &setup), None);
    assert_eq!(
        qda.lacking(&case("fastrpc"), &setup).as_deref(),
        Some("needs the fastrpc driver")
    );
    // A kernel with both has only the one loaded that is asked for.
    let both = facts(Some("x"), &Driver::ALL);
    let asks = Setup {
        driver: Some(Driver::Qda),
        ..Setup::of_tests()
    };
    assert_eq!(both.lacking(&case("fastrpc"), &setup), None);
    assert!(both.lacking(&case("fastrpc"), &asks).is_some());
}

#[test]
fn what_the_guest_says_of_its_drivers_is_believed() {
    let fastrpc = Driver::named("fastrpc");
    let qda = Driver::named(" qda \n");
    assert_eq!(
        (&fastrpc[..], &qda[..]),
        (&[Driver::Fastrpc][..], &[Driver::Qda][..])
    );
    assert_eq!(no_driver(None, Some(&qda)), None);
    assert_eq!(no_driver(None, None), None);
    assert!(no_driver(None, Some(&[])).unwrap().contains("no FastRPC driver"));
    assert!(
        no_driver(Some(Driver::Fastrpc), Some(&qda))
            .unwrap()
            .contains("no fastrpc driver, but qda")
    );
    assert_eq!(wrong_driver(&case(""), Some(&qda)), None);
    assert_eq!(wrong_driver(&case("qda"), Some(&qda)), None);
    assert_eq!(wrong_driver(&case("fastrpc"), None), None);
    assert_eq!(
        wrong_driver(&case("fastrpc"), Some(&qda)).as_deref(),
        Some("needs the fastrpc driver, the guest's kernel has qda")
    );
}
