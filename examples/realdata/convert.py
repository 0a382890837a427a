#!/usr/bin/env python3
"""Turns two published outbreak data sets into messages of the feeds `school` and `report_card`.

Reads the two CSV files beside it; writes `school_pupil_event.ndjson`, `report_card_card.ndjson` and `registers/`.
Everything that the data do not contain is invented here and stated: day 0, codes, hours, the time of reporting.
Runs with Python 3 and nothing else; the same input gives the same bytes.
"""

import csv
import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

HERE = Path(__file__).parent
CHINA = timezone(timedelta(hours=8))

# Day 0 of the norovirus data. A Monday, because the days without a first absence (5, 6, 12, 13, 19, 20) are then the weekends;
# in the spring of the H7N9 cases, so that both can be replayed into one state.
DAY_ZERO = date(2013, 3, 4)
SCHOOL = "S990401P01"
SCHOOL_TOWN = "990401"

# One invented county and one reporting hospital for each province named in the data.
PROVINCES = [
    "Anhui", "Beijing", "Fujian", "Guangdong", "Hebei", "Henan", "Hunan", "Jiangsu", "Jiangxi", "Shandong", "Shanghai", "Taiwan",
    "Zhejiang",
]
AREA = {province: f"9903{number:02d}" for number, province in enumerate(PROVINCES, 1)}


def at(day: date, hour: int, minute: int = 0) -> str:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=CHINA).isoformat()


def rows(name: str) -> list[dict[str, str]]:
    with open(HERE / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pupil_events() -> list[dict]:
    """One message a child that fell ill (start_illness > 0), onset at 08:00 of that day, reported at 16:00."""
    messages = []
    for number, child in enumerate(rows("norovirus_derbyshire_2001_school.csv"), 1):
        start = int(child["start_illness"])
        if start == 0:
            continue
        onset = DAY_ZERO + timedelta(days=start)
        vomited = int(child["day_vomiting"]) > 0
        message = {
            "school_id": SCHOOL,
            "event_id": f"N{number:03d}",
            "class_id": f"C{int(child['class']):02d}",
            "student_id": f"pupil-{number:03d}",
            "onset_at": at(onset, 8),
            "symptoms": ["vomiting"] if vomited else ["diarrhoea"],
        }
        if int(child["day_absent"]) > 0:
            message["absent_from"] = (DAY_ZERO + timedelta(days=int(child["day_absent"]))).isoformat()
        message["submitted_at"] = at(onset, 16)
        messages.append(message)
    return sorted(messages, key=lambda message: (message["submitted_at"], message["event_id"]))


def report_cards() -> list[dict]:
    """One card a case. Diagnosis: the day in hospital, else of onset, else of the outcome, else the last day of the data."""
    cases = rows("fluH7N9_china_2013.csv")
    last = max(case[column] for case in cases for column in ("date_of_onset", "date_of_hospitalisation", "date_of_outcome"))
    messages = []
    for case in cases:
        known = case["date_of_hospitalisation"] or case["date_of_onset"] or case["date_of_outcome"] or last
        diagnosed = date.fromisoformat(known)
        area = AREA[case["province"]]
        message = {
            "card_id": f"H7N9-2013-{int(case['case_id']):03d}",
            "operation": "report",
            "sex": {"m": "1", "f": "2", "": "9"}[case["gender"]],
            "residence_area": area,
            "case_class": "3",
            "disease_code": "H7N9",
            "diagnosed_at": at(diagnosed, 10),
            "report_org": f"H{area}G01",
            "report_area": area,
            "submitted_at": at(diagnosed, 11),
        }
        if case["age"].isdigit():
            message |= {"age": int(case["age"]), "age_unit": "year"}
        if case["date_of_onset"]:
            message["onset_date"] = case["date_of_onset"]
        messages.append(message)
    return sorted(messages, key=lambda message: (message["submitted_at"], message["card_id"]))


def write_messages(name: str, messages: list[dict]) -> None:
    with open(HERE / name, "w", encoding="utf-8", newline="\n") as file:
        for message in messages:
            file.write(json.dumps(message, ensure_ascii=False) + "\n")


def write_register(name: str, header: str, lines: list[list[str]]) -> None:
    with open(HERE / "registers" / name, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(lines)


def write_registers() -> None:
    school = [SCHOOL, "示例小学", "Example Primary School", "school", SCHOOL_TOWN, "weekdays", "school/pupil_event", "", ""]
    hospitals = [
        [f"H{area}G01", f"示例医院{area[-2:]}", f"Example Hospital {area[-2:]}", "hospital", area, "always", "", "", ""]
        for area in AREA.values()
    ]
    write_register(
        "facilities.csv",
        "facility_id,name_zh,name_en,facility_kind,area_code,calendar_id,authoritative,active_from,active_to",
        [school, *hospitals],
    )
    # The data say who fell ill, not who reported that nobody did: nothing is expected, so nothing is missing.
    write_register("expected_reports.csv", "facility_kind,facility_id,feed,due_time,grace_minutes,valid_from,valid_to", [])
    write_register(
        "calendars.csv",
        "calendar_id,date_from,date_to,weekdays,state,name_zh,name_en",
        [["weekdays", "2013-01-01", "2013-12-31", "67", "closed", "周末", "weekend"]],
    )


def main() -> None:
    (HERE / "registers").mkdir(exist_ok=True)
    write_messages("school_pupil_event.ndjson", pupil_events())
    write_messages("report_card_card.ndjson", report_cards())
    write_registers()


if __name__ == "__main__":
    main()
