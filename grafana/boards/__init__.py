"""The dashboards as code, one module each; `python -m boards dashboards`, run in grafana/, writes their JSON."""
