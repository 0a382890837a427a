//! The test of the tester.
