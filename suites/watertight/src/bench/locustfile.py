# What `watertight bench` has Locust do: what its own users do, without waits and without looking at the answers.
import os

from locust import HttpUser, constant, task


class Reader(HttpUser):
    wait_time = constant(0)

    @task
    def products(self):
        self.client.get("/products", headers={"Authorization": os.environ["AUTHORIZATION"]}, name="products")
