"""Makes versions from earlier ones: trained again on new rows, trained further, calibrated again, or repeated."""
