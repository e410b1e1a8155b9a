"""The sections of every report, whatever the task."""

COMMON = (
    "simulator.report.sections.timeline:SECTION",
    "simulator.report.sections.forgetting:SECTION",
    "simulator.report.sections.certificates:SECTION",
    "simulator.report.sections.comparison:SECTION",
    "simulator.report.sections.arrivals:SECTION",
    "simulator.report.sections.members:SECTION",
    "simulator.report.sections.graph:SECTION",
    "simulator.report.sections.seeds:SECTION",
    "simulator.report.sections.costs:SECTION",
    "simulator.report.sections.peers:SECTION",
    "simulator.report.sections.closing:EXPECTATIONS",
    "simulator.report.sections.closing:INCIDENTS",
    "simulator.report.sections.closing:READING",
    "simulator.report.sections.machine:SECTION",
    "simulator.report.sections.closing:SCENARIO",
)
