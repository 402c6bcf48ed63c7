"""A pygame program: one poll a frame, which may take no more of it than is to spare."""

from __future__ import annotations

import sys

import pygame

from examples.hosts.commands import Order, World
from lazyipc import IpcServer

WIDTH, HEIGHT = 320, 240


def draw(screen: pygame.Surface, world: World) -> None:
    """A ball on its way from left to right."""
    screen.fill("black")
    pygame.draw.circle(screen, "white", (int(world.turns * world.speed) % WIDTH, HEIGHT // 2), 9)
    pygame.display.flip()


def run(path: str) -> None:
    """Draw 60 frames a second, whoever floods the socket."""
    world, clock = World(), pygame.time.Clock()
    screen = pygame.display.set_mode((WIDTH, HEIGHT))
    with IpcServer(path, Order) as server:
        while world.is_running:
            for event in pygame.event.get():
                if event.type == pygame.QUIT:
                    world.is_running = False
            server.handle_new_messages(world, max_seconds=0.002)  # of the frame's 16.7 ms
            world.turns += 1
            draw(screen, world)
            clock.tick(60)


if __name__ == "__main__":
    pygame.init()
    run(sys.argv[1])
    pygame.quit()
